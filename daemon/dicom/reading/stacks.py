"""From the frames of a series to stacks: one frame a position in each, as the dimensions of the series tell them apart.

A fact is a dimension of the series when every position shows the same set of its values, two at least. Other facts
may differ from slice to slice and split nothing (the trigger time of a single-shot scan); those that make the contrast
refuse the volume later (``dicom/reading/facts.py``). Where frames are left that
no fact tells apart, they repeat one another in the order of their trigger times, which may differ from slice to slice
(cine, a breath-hold a slice), else of their InstanceNumber (GE time series). Of a cycle the nearest phase stands for
one that is missing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from daemon.core.errors import NotAssessable, Reason
from daemon.core.reception.geometry import LEAST_PHASES
from daemon.dicom.reading.dimensions import DIMENSIONS, TRIGGER_TIME, Dimension, Key
from daemon.dicom.reading.frames import Frame
from daemon.dicom.reading.times import is_cycle, over_cycle
from models.subject import Dimensions, Quantity

#: Frames whose positions along the normal differ by less, in mm, lie at one position.
_SAME_MM: Final = 0.05

Stack = tuple[Dimensions, list[Frame]]


def split(frames: Sequence[Frame]) -> list[Stack]:
    """The stacks of a series of parallel frames: what sets each apart, and its frames sorted along the normal.

    Stacks come in the order of their first image, as the scanner numbers them; else in that of their dimensions.

    Raises:
        NotAssessable: INCOMPLETE, some positions lack images that others have; GEOMETRY, images that nothing tells
            apart.
    """
    slots = slots_of(frames)
    stacks: list[Stack] = [({}, sorted(frames, key=slots.__getitem__))]
    for dimension in DIMENSIONS:
        keys = {frame: dimension.key(frame.attributes) for frame in frames}
        if _is_dimension(keys, slots):
            stacks = [part for stack in stacks for part in _parts(stack, dimension, keys)]
    repetitions = [repetition for stack in stacks for repetition in _repetitions(stack, slots)]
    return sorted(repetitions, key=lambda repetition: first_taken(repetition[1]))


def slots_of(frames: Sequence[Frame]) -> dict[Frame, int]:
    """For each frame, the number of its position along the normal."""
    normal = frames[0].plane.normal
    along = {frame: float(frame.plane.position_mm @ normal) for frame in frames}
    slots: dict[Frame, int] = {}
    slot, before = 0, min(along.values())
    for frame in sorted(frames, key=along.__getitem__):
        slot += along[frame] - before > _SAME_MM
        slots[frame], before = slot, along[frame]
    return slots


def _is_dimension(keys: Mapping[Frame, Key], slots: Mapping[Frame, int]) -> bool:
    everywhere = set(keys.values())
    if len(everywhere) == 1:
        return False
    at: dict[int, set[Key]] = defaultdict(set)
    for frame, key in keys.items():
        at[slots[frame]].add(key)
    return all(found == everywhere for found in at.values())


def _parts(stack: Stack, dimension: Dimension, keys: Mapping[Frame, Key]) -> list[Stack]:
    """The stack, split by the values of one dimension, in their order."""
    known, frames = stack
    values = sorted({keys[frame] for frame in frames})
    if len(values) == 1:
        return [stack]
    return [
        ({**known, dimension.name: dimension.quantity(value)}, [f for f in frames if keys[f] == value])
        for value in values
    ]


def _repetitions(stack: Stack, slots: Mapping[Frame, int]) -> list[Stack]:
    """The stack, split into the n frames that each position holds."""
    known, frames = stack
    at: dict[int, list[Frame]] = {slot: [] for slot in sorted(set(slots.values()))}
    for frame in frames:
        at[slots[frame]].append(frame)
    counts = [len(found) for found in at.values()]
    lacking = max(counts) > min(counts)
    cycle = lacking and max(counts) >= LEAST_PHASES and is_cycle(frames)
    if lacking and not cycle:
        _check_even(counts)
    ordered: Sequence[Sequence[Frame]] = [_ordered(found) for found in at.values()]
    if cycle:
        ordered = over_cycle(ordered)
        _check_even([len(found) for found in ordered])
    repetitions = zip(*ordered, strict=True)
    stacks: list[Stack] = [
        ({**known, "Repetition": Quantity((float(n),), "1")}, list(found))
        for n, found in enumerate(repetitions, start=1)
    ]
    return stacks if len(stacks) > 1 else [(known, stacks[0][1])]


def first_taken(frames: Sequence[Frame]) -> tuple[float, int]:
    """What puts stacks in the order in which they were taken: the smallest InstanceNumber, and the frame's index."""
    return min((frame.attributes.number("InstanceNumber") or 0, frame.index) for frame in frames)


def _check_even(counts: Sequence[int]) -> None:
    """Refuse positions that hold different numbers of images."""
    most, least, images = max(counts), min(counts), sum(counts)
    if most == least:
        return
    missing, surplus = most * len(counts) - images, images - least * len(counts)
    if least == 1 and surplus < missing:  # one volume, and a few images too many
        raise NotAssessable(Reason.GEOMETRY, f"{surplus} images lie where there is another one")
    raise NotAssessable(Reason.INCOMPLETE, f"{missing} of {most * len(counts)} images missing")


def _ordered(frames: list[Frame]) -> list[Frame]:
    """Frames at one position in the order in which they were taken."""
    if len(frames) == 1:
        return frames
    triggered = {frame: TRIGGER_TIME.key(frame.attributes) for frame in frames}
    if all(triggered.values()) and len(set(triggered.values())) == len(frames):
        return sorted(frames, key=triggered.__getitem__)
    order = {frame: (frame.attributes.number("InstanceNumber"), frame.index) for frame in frames}
    if len(set(order.values())) < len(frames) or any(number is None for number, _ in order.values()):
        raise NotAssessable(Reason.GEOMETRY, "several images at one position that nothing tells apart")
    return sorted(frames, key=lambda frame: (order[frame][0] or 0, order[frame][1]))
