"""Whether the images of a series cover a volume: what completion can see without decoding a pixel."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from enum import StrEnum
from itertools import pairwise
from statistics import median

from daemon.core.values import Instance, Place

#: Fewer slices than this show nothing about regularity.
LEAST_SLICES = 3
#: One slice is an image over time from so many phases on: a cine of one breath-hold.
LEAST_PHASES = 8
#: A step this many times the usual one is a gap.
_GAP = 1.5
#: Positions closer than this, in mm, are one position.
_SAME_MM = 1e-2


class Coverage(StrEnum):
    """What the positions show."""

    #: One orientation, one regular step, as many images (echoes, phases, b-values) at every position.
    WHOLE = "whole"
    #: As WHOLE but for missing positions.
    GAPPED = "gapped"
    #: Too few slices, several orientations, or images without a geometry.
    SHAPELESS = "shapeless"


def coverage(places: Iterable[Place | None]) -> Coverage:
    """The coverage of a series' images; None stands for an image without a geometry."""
    known = [place for place in places if place is not None]
    if len({place.orientation for place in known}) != 1:
        return Coverage.SHAPELESS
    # images are counted a position, not positions an image: a trigger time may differ from slice to slice
    images: dict[float, set[tuple[str, ...]]] = defaultdict(set)
    for place in known:
        images[round(place.position_mm / _SAME_MM) * _SAME_MM].add(place.dimension)
    everywhere = sorted(images)
    if len(everywhere) < LEAST_SLICES:
        return Coverage.SHAPELESS
    steps = [after - before for before, after in pairwise(everywhere)]
    if max(steps) > _GAP * median(steps):
        return Coverage.GAPPED
    even = len({len(found) for found in images.values()}) == 1
    return Coverage.WHOLE if even else Coverage.GAPPED


def cover(instances: Collection[Instance]) -> Coverage:
    """The coverage of a series.

    Multi-frame objects are volumes of their own: WHOLE, unless parts of a concatenation are missing, or the last
    object has fewer frames than all of several equal ones before it: an interrupted scan leaves such a one.
    """
    frames = [instance.frames for instance in instances]
    if not all(count > 1 for count in frames):
        return coverage(instance.place for instance in instances)
    parts = max(instance.expected or 0 for instance in instances)
    *before, last = frames
    cut = not parts and len(before) > 1 and len(set(before)) == 1 and last < before[0]
    return Coverage.GAPPED if cut or len(frames) < parts else Coverage.WHOLE
