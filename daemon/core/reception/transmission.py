"""How a scanner sends what it has: which image goes on which association, when, and what goes wrong on the way.

Pure, and the same for the same seed: what really happened in a test or a benchmark can be told from its options.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, zip_longest
from random import Random
from typing import Generic, TypeVar

Image = TypeVar("Image")
Other = TypeVar("Other")


class Deal(StrEnum):
    """How images get onto the associations.

    BLOCKS: every series is cut into consecutive parts, one an association. SERIES: whole series in turn. IMAGES: image
    by image, the series alternating.
    """

    BLOCKS = "blocks"
    SERIES = "series"
    IMAGES = "images"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingOptions:
    """How to send; the counts of what goes wrong are for every series, aborts for every association.

    ``rate``: images a second in all, None as fast as the receiver answers. ``speed``: pause between images as they were
    acquired, so many times faster; None not at all. ``late`` images are held back until ``late_s`` after the others.
    ``change`` images come again under their UID with other pixels.
    """

    seed: int = 0
    associations: int = 1
    deal: Deal = Deal.BLOCKS
    shuffle: bool = False
    rate: float | None = None
    speed: float | None = None
    drop: int = 0
    repeat: int = 0
    change: int = 0
    late: int = 0
    late_s: float = 5.0
    aborts: int = 0


@dataclass(frozen=True, slots=True)
class Sending(Generic[Image]):
    """One C-STORE, not before ``at_s`` after the start; ``changed``: with other pixels than the first of its UID."""

    image: Image
    at_s: float = 0.0
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Batch(Generic[Image]):
    """What goes on one association, and whether it ends by an abort."""

    sendings: tuple[Sending[Image], ...]
    aborted: bool = False


@dataclass(frozen=True, slots=True)
class Transmission(Generic[Image]):
    """``lines`` are sent in parallel, the batches of each one after the other; ``late`` once all of them are done."""

    lines: tuple[tuple[Batch[Image], ...], ...]
    late: tuple[Batch[Image], ...]
    dropped: int

    @property
    def sendings(self) -> int:
        """How many C-STOREs there are in all."""
        return sum(len(batch.sendings) for batch in chain(*self.lines, self.late))


def plan(
    series: Sequence[Sequence[Image]], options: SendingOptions, acquired: Callable[[Image], float | None]
) -> Transmission[Image]:
    """Decide what goes where and when; ``acquired`` gives an image's time of acquisition in seconds, if it is known."""
    draws = Random(options.seed)  # noqa: S311 - to be repeated, not to be secret
    ordered = [_ordered(images, options, draws) for images in series]
    faulty = [_with_faults(images, options, draws) for images in ordered]
    lines = [_timed(line, options, acquired) for line in _dealt([sent for sent, _, _ in faulty], options)]
    late = tuple(Sending(image) for _, held, _ in faulty for image in held)
    return Transmission(
        lines=tuple(_batches(line, options.aborts) for line in lines if line),
        late=(Batch(late),) if late else (),
        dropped=sum(dropped for _, _, dropped in faulty),
    )


def _ordered(images: Sequence[Image], options: SendingOptions, draws: Random) -> list[Image]:
    return draws.sample(images, len(images)) if options.shuffle else list(images)


def _with_faults(
    images: list[Image], options: SendingOptions, draws: Random
) -> tuple[list[Sending[Image]], list[Image], int]:
    """What is sent, what is held back, how many are dropped; one fault an image, until the images run out."""
    order = draws.sample(range(len(images)), len(images))
    dropped, held = set(order[: options.drop]), set(order[options.drop :][: options.late])
    left = [k for k in order if k not in dropped | held] or [0]
    sent = [Sending(image) for k, image in enumerate(images) if k not in dropped | held]
    again = left[: options.repeat]
    changed = (left[options.repeat :] or left)[: options.change]
    for k, is_changed in chain(((k, False) for k in again), ((k, True) for k in changed)):
        first = next((n for n, sending in enumerate(sent) if sending.image is images[k]), None)
        if first is not None:
            sent.insert(draws.randint(first + 1, len(sent)), Sending(images[k], changed=is_changed))
    return sent, [image for k, image in enumerate(images) if k in held], len(dropped)


def _dealt(series: list[list[Sending[Image]]], options: SendingOptions) -> list[list[Sending[Image]]]:
    """One list of sendings for each association."""
    count = options.associations
    if options.deal is Deal.SERIES:
        return [list(chain(*series[line::count])) for line in range(count)]
    if options.deal is Deal.IMAGES:
        mixed = [sending for row in zip_longest(*series) for sending in row if sending is not None]
        return [mixed[line::count] for line in range(count)]
    return [list(chain(*(_block(images, line, count) for images in series))) for line in range(count)]


def _block(images: list[Other], line: int, count: int) -> list[Other]:
    return images[len(images) * line // count : len(images) * (line + 1) // count]


def _timed(
    line: list[Sending[Image]], options: SendingOptions, acquired: Callable[[Image], float | None]
) -> list[Sending[Image]]:
    if options.rate is not None:
        step = options.associations / options.rate
        return [Sending(s.image, k * step, s.changed) for k, s in enumerate(line)]
    if options.speed is None:
        return line
    times = [acquired(sending.image) for sending in line]
    start = min((time for time in times if time is not None), default=0.0)
    return [
        Sending(s.image, 0.0 if time is None else (time - start) / options.speed, s.changed)
        for s, time in zip(line, times, strict=True)
    ]


def _batches(line: list[Sending[Image]], aborts: int) -> tuple[Batch[Image], ...]:
    """The line cut into ``aborts`` + 1 parts; all but the last end by an abort."""
    parts = [part for part in (_block(line, number, aborts + 1) for number in range(aborts + 1)) if part]
    return tuple(Batch(tuple(part), aborted=part is not parts[-1]) for part in parts)
