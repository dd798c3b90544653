"""What is examined: the images of one person, each by the part that it plays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

Voxels = npt.NDArray[np.float32]

#: Axes of an image: time and space.
_AXES: Final = 4


class Volumes(Protocol):
    """The volumes of an image, float32 (T, i, j, k): an array, or what reads each volume when it is asked for.

    One volume is in memory at a time where they are gone through in their order; ``numpy.asarray`` takes all of them.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, i, j, k)."""

    def __len__(self) -> int:
        """T."""

    def __getitem__(self, t: int, /) -> Any:  # noqa: ANN401 - numpy's own answer
        """The volume at ``t``, float32 (i, j, k); an IndexError from T on, so that a loop over them ends."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a header states in one respect: numbers in ``unit`` (UCUM; 1 where they have none), or words (no unit)."""

    values: tuple[float, ...] | tuple[str, ...]
    unit: str = ""

    @property
    def number(self) -> float | None:
        """The first number; None for words, and where the header is silent."""
        return next((value for value in self.values if isinstance(value, float)), None)

    @property
    def words(self) -> tuple[str, ...]:
        """The words; none where it is numbers."""
        return tuple(value for value in self.values if isinstance(value, str))

    def __str__(self) -> str:
        r"""Such as "4.92 ms" or "ORIGINAL\PRIMARY"; several values are separated by a backslash as in DICOM."""
        said = "\\".join(value if isinstance(value, str) else f"{value:g}" for value in self.values)
        return said if self.unit in ("", "1") else f"{said} {self.unit}"


#: What sets one volume apart from the others of its series: EchoTime, DiffusionBValue, TriggerTime ..., by DICOM
#: keyword as classic images have it; nothing where the series is one volume.
Dimensions = Mapping[str, Quantity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """Facts of the header that the assessment may use; None where the header is silent.

    ``phase_axis``: along which axis of the image the phase was encoded, 0 or 1.
    """

    modality: str = "MR"
    manufacturer: str | None = None
    model: str | None = None
    station: str | None = None
    protocol: str | None = None
    body_part: str | None = None
    field_strength_t: float | None = None
    repetition_time_ms: float | None = None
    echo_time_ms: float | None = None
    image_type: tuple[str, ...] = ()
    phase_axis: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Image:
    """``voxels`` float32 (T, i, j, k), ``affine`` (4, 4) index (i, j, k) to RAS mm; T is 1 for a still image.

    ``times_ms`` float64 (T,): when each volume was taken, after the R wave or after the first one; NaN where no header
    says. ``dimensions``: what sets each volume apart, T of them. ``acquisition``: of the first volume. ``remark``: what
    the verdict shall say of how it was read.

    Raises:
        ValueError: the shapes do not fit one another.
    """

    voxels: Volumes
    affine: npt.NDArray[np.float64]
    times_ms: npt.NDArray[np.float64]
    dimensions: Sequence[Dimensions]
    acquisition: Acquisition = field(default_factory=Acquisition)
    remark: str = ""

    def __post_init__(self) -> None:
        count = len(self.voxels)
        if len(self.voxels.shape) != _AXES or self.affine.shape != (_AXES, _AXES):
            raise ValueError(f"voxels {self.voxels.shape} and affine {self.affine.shape}, not (T, i, j, k) and (4, 4)")
        if self.times_ms.shape != (count,) or len(self.dimensions) != count:
            raise ValueError(f"{count} volumes, {self.times_ms.shape} times, {len(self.dimensions)} dimensions")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(i, j, k)."""
        _, i, j, k = self.voxels.shape
        return i, j, k

    @property
    def still(self) -> Voxels:
        """The one volume of a still image, (i, j, k).

        Raises:
            ValueError: it has several.
        """
        if len(self.voxels) != 1:
            raise ValueError(f"{len(self.voxels)} volumes where one was expected")
        volume: Voxels = self.voxels[0]
        return volume


def still(
    voxels: Voxels,
    affine: npt.NDArray[np.float64],
    acquisition: Acquisition | None = None,
    dimensions: Dimensions | None = None,
    remark: str = "",
) -> Image:
    """An image of one volume (i, j, k), at time zero."""
    return Image(
        voxels=voxels[None],
        affine=affine,
        times_ms=np.zeros(1),
        dimensions=(dimensions or {},),
        acquisition=acquisition or Acquisition(),
        remark=remark,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """``images``: role, as the bundle's ``inputs`` call it -> image; the leading role is always there.

    ``further``: of a role that every series of a study plays, the images beside the one that leads, the oldest first.
    """

    images: Mapping[str, Image]
    further: Mapping[str, tuple[Image, ...]] = field(default_factory=dict)
