"""A method's answer about one subject: numbers typed by the kind of evidence that they are, structures, what to show.

What a number may ask for follows from its kind alone, whoever measured it: see ``Evidence``.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
#: Lower and upper end.
Interval = tuple[float, float]


#: What the numbers of a place count, unless the bundle's manifest says otherwise.
AXES = ("volume", "slice")


class Evidence(StrEnum):
    """What a signal is evidence of, and so what it may ask for."""

    #: The image is spoilt: may ask for a RESCAN.
    IMAGE = "image"
    #: The segmentation is in doubt, and cannot tell a bad image from an unusual person: a REVIEW at most.
    SEGMENTATION = "segmentation"
    #: Unlike everything that the method knows: a REVIEW, unless a cause that is plain in the image explains it.
    FAMILIARITY = "familiarity"
    #: Reported, and asks for nothing.
    DESCRIPTIVE = "descriptive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One number of a subject; higher is worse, but where it is descriptive.

    ``cause``: what it is put down to, ``structure``: what it speaks of, empty for neither; ``at``: the index of the
    volume, the slice ... that it is of, along ``axes``, empty for the whole.

    Raises:
        ValueError: it is at a place that no axis counts.
    """

    name: str
    value: float
    evidence: Evidence
    unit: str = "1"
    cause: str = ""
    structure: str = ""
    at: tuple[int, ...] = ()
    axes: tuple[str, ...] = AXES

    def __post_init__(self) -> None:
        if len(self.at) > len(self.axes) or any(index < 0 for index in self.at):
            raise ValueError(f"{self.name} at {self.at} along {', '.join(self.axes)}")

    @property
    def place(self) -> str:
        """Such as "volume 17" or "volume 17, slice 3", counted from one; empty for the whole."""
        return ", ".join(f"{axis} {index + 1}" for axis, index in zip(self.axes, self.at, strict=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """One segmented structure; nine volumes of ten lie within their interval."""

    name: str
    volume_ml: float
    interval_ml: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What the image is expected to cost the task, in the unit that the bundle tolerates it in, and its interval."""

    expected: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """What there is to see, all on one grid.

    ``image`` float32 (i, j, k), ``affine`` (4, 4) to RAS mm; ``region`` bool (i, j, k): what was segmented, nothing
    where the whole image is to be shown; ``outlined`` bool (i, j, k): the structure whose border is drawn; ``heat``:
    signal -> float32 (i, j, k), where it comes from.
    """

    image: FloatArray
    affine: npt.NDArray[np.float64]
    region: npt.NDArray[np.bool_]
    outlined: npt.NDArray[np.bool_]
    heat: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteSource:
    """What a site can learn from one image, made when it is asked for: what artefacts cost, and how they look.

    ``numbers``: of this one image, by name; ``structure``: what is judged, bool on the image's own grid, in an order
    that is the same for all images of that grid.
    """

    numbers: Callable[[], Mapping[str, float]]
    structure: Callable[[], npt.NDArray[np.bool_]]


#: Makes one map (i, j, k) on the grid of the image that was examined.
MakeMap = Callable[[], npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """What a method found.

    ``presence``: probability that each cause shows in the image; ``any_cause``: that any does, where causes share one
    probability; ``loss``: where the method can tell it; ``source``:
    what a site can learn from; ``maps``: by file name, made when they are asked for; ``seconds``: of each stage;
    ``remarks``: what a reader of the verdict should know of the images that were used, in words;
    ``unused``: role -> why the series that plays it beside the leading one was left out.

    Raises:
        ValueError: a number is told twice.
    """

    signals: tuple[Signal, ...]
    structures: tuple[Structure, ...] = ()
    presence: Mapping[str, float] = field(default_factory=dict)
    any_cause: float = 0.0
    loss: Loss | None = None
    source: SiteSource | None = None
    view: View | None = None
    maps: Mapping[str, MakeMap] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    unused: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_told_once(self.signals, self.structures)


class Lack(StrEnum):
    """Why a method cannot judge a subject."""

    #: What it judges does not show in the images.
    NOT_FOUND = "not found"
    #: It shows in another contrast than the method knows.
    CONTRAST = "contrast"
    #: The images hold no signal.
    FLAT = "flat"


class NotThis(Exception):
    """A subject that this method cannot judge; ``detail``, in words, quotes no header."""

    def __init__(self, lack: Lack, detail: str = "") -> None:
        super().__init__(f"{lack}: {detail}" if detail else lack)
        self.lack = lack
        self.detail = detail


def check_told_once(signals: tuple[Signal, ...], structures: tuple[Structure, ...]) -> None:
    """Hold that every number has a name of its own.

    Raises:
        ValueError: it has not.
    """
    places = Counter([*((one.name, one.at) for one in signals), *((structure.name, ()) for structure in structures)])
    if twice := {name for (name, _), count in places.items() if count > 1}:
        raise ValueError(f"told twice: {', '.join(sorted(twice))}")
