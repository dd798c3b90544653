"""Images derived from a volume and appended to its series: reformats in other planes, thick slabs, single views."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from daemon.core.reception.geometry import LEAST_SLICES
from daemon.dicom.reading.frames import Frame
from daemon.dicom.reading.geometry import differences, partition

#: Positions are told apart by a tenth of a millimetre.
_DECIMALS: Final = 1


def appended(frames: Sequence[Frame]) -> list[Frame]:
    """The DERIVED images (PS3.3, C.7.6.1.1.2) beside an ORIGINAL volume, unless they show the very same slices again.

    What shows the same slices is a volume of its own, such as a map, and is told apart by its image type.

    Raises:
        NotAssessable: GEOMETRY, the original images are more groups than any scanner's stacks, or too small a one.
    """
    derived = [frame for frame in frames if _is(frame, "DERIVED") and not _is(frame, "ORIGINAL")]
    originals = [frame for frame in frames if _is(frame, "ORIGINAL")]
    if not derived or len(originals) < LEAST_SLICES:
        return []
    groups = partition(originals)
    of_group: dict[int, list[Frame]] = defaultdict(list)
    for frame in derived:
        alike = (n for n, group in enumerate(groups) if differences(group[0], frame) is None)
        of_group[next(alike, -1)].append(frame)
    again = (found for n, found in of_group.items() if n >= 0 and _places(found) == _places(groups[n]))
    kept = {frame for found in again for frame in found}
    return [frame for frame in derived if frame not in kept]


def _is(frame: Frame, kind: str) -> bool:
    attributes = frame.attributes
    return kind in (attributes.texts("FrameType") or attributes.texts("ImageType"))


def _places(frames: Sequence[Frame]) -> set[float]:
    """Where the frames lie along their normal, mm."""
    normal = frames[0].plane.normal
    return {round(float(frame.plane.position_mm @ normal), _DECIMALS) for frame in frames}
