"""Files of a packed archive."""

import tarfile
from pathlib import Path


def packed_files(path: Path) -> dict[str, bytes]:
    """The files of an archive by their names, in the order of these.

    They are read as they lie in it: for each step back all that comes before is unpacked again.
    """
    with tarfile.open(path) as archive:
        found = {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}
    return dict(sorted(found.items()))
