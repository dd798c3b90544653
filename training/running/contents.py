"""What files hold, by SHA-256; a file is read again only where its size or its time of change is another."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Final

#: Nothing is there.
_ABSENT: Final = "absent"


class Contents:
    """Digests of files and folders, remembered in the file ``memory``, which may be lost: they are read again then."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, list[object]] = {}
        with suppress(OSError, ValueError):
            known = json.loads(memory.read_text())
            self._known = known if isinstance(known, dict) else {}

    def digest(self, path: Path) -> str:
        """Of a file's bytes; of a folder's files with their names in it; of nothing the same each time.

        Raises:
            OSError: a file cannot be read.
        """
        if not path.is_dir():
            return self._of_file(path) if path.exists() else _ABSENT
        files = sorted(one for one in path.rglob("*") if one.is_file())
        held = [[str(one.relative_to(path)), self._of_file(one)] for one in files]
        return hashlib.sha256(json.dumps(held).encode()).hexdigest()

    def save(self) -> None:
        """Remember what was read."""
        partial = self._memory.with_suffix(".part")
        partial.write_text(json.dumps(self._known))
        partial.rename(self._memory)

    def _of_file(self, path: Path) -> str:
        found = path.stat()
        state = [found.st_size, found.st_mtime_ns]
        known = self._known.get(str(path.resolve()))
        if known is None or known[:-1] != state:
            with path.open("rb") as file:
                known = [*state, hashlib.file_digest(file, "sha256").hexdigest()]
            self._known[str(path.resolve())] = known
        return str(known[-1])
