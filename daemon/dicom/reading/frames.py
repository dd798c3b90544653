"""From one data set to its frames: classic and multi-frame images (PS3.3, C.8.3.1 and C.8.13.1)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from daemon.core.errors import NotAssessable, Reason
from daemon.dicom.attributes import Attributes, items
from daemon.dicom.parsing import HEADER_LIMITS
from daemon.dicom.reading.objects import limits_of, reduced, without_groups
from daemon.dicom.reading.pixels import PixelSource, pixel_source, stated

Vector = npt.NDArray[np.float64]

#: Functional group macros that say where a frame lies, what it shows and how its values scale (PS3.3, C.7.6.16.2),
#: and those of Legacy Converted images, which hold whatever the classic header held.
_MACROS: Final = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "FrameContentSequence",
    "MRImageFrameTypeSequence",
    "MREchoSequence",
    "MRModifierSequence",
    "MRTimingAndRelatedParametersSequence",
    "MRDiffusionSequence",
    "MRArterialSpinLabelingSequence",
    "TemporalPositionSequence",
    "CardiacSynchronizationSequence",
    "UnassignedPerFrameConvertedAttributesSequence",
    "UnassignedSharedConvertedAttributesSequence",
)
#: Sequences one level further down.
_NESTED: Final = ("DiffusionGradientDirectionSequence",)

#: Direction cosines that are no unit vectors, or not at right angles, by more than this are no orientation.
_COSINE_TOLERANCE: Final = 1e-2
#: Positions beyond this, in mm, are nonsense.
_FURTHEST_MM: Final = 1e5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The part of a mosaic that holds one slice."""

    rows: slice
    columns: slice


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plane:
    """Where a frame lies, in LPS mm (PS3.3, C.7.6.2).

    ``along_row`` and ``down_column`` are unit vectors (3,), ``spacing_mm`` the distances between neighbours along
    them, ``position_mm`` (3,) the centre of the first pixel.
    """

    along_row: Vector
    down_column: Vector
    spacing_mm: tuple[float, float]
    position_mm: Vector

    @property
    def normal(self) -> Vector:
        """Unit vector across the plane."""
        return np.cross(self.along_row, self.down_column)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One image of a series: where its pixels are, where it lies, what its header says.

    Values are ``slope`` x stored + ``intercept``.
    """

    source: PixelSource
    index: int
    attributes: Attributes
    plane: Plane
    slope: float
    intercept: float
    tile: Tile | None = None

    @property
    def dataset(self) -> Dataset:
        """The object that holds it."""
        return self.attributes.layers[-1]

    @property
    def shape(self) -> tuple[int, int]:
        """(columns, rows)."""
        if self.tile is None:
            return self.source.columns, self.source.rows
        return (
            self.tile.columns.stop - self.tile.columns.start,
            self.tile.rows.stop - self.tile.rows.start,
        )


def frames_of(dataset: Dataset) -> Iterator[Frame]:
    """The frames of a classic, Enhanced or Legacy Converted image, in the order of their pixel data.

    Raises:
        NotAssessable: the pixels' description is unusable, or a frame does not say where it lies.
    """
    source = pixel_source(dataset)
    for index, attributes in enumerate(_headers(dataset, source.frames)):
        yield Frame(
            source=source,
            index=index,
            attributes=attributes,
            plane=plane_of(attributes),
            slope=stated(attributes, "RescaleSlope", 1.0),
            intercept=stated(attributes, "RescaleIntercept", 0.0),
        )


def plane_of(attributes: Attributes) -> Plane:
    """Where an image lies.

    Raises:
        NotAssessable: GEOMETRY, it does not say, or says something impossible.
    """
    cosines = _vector(attributes, "ImageOrientationPatient", 6)
    position = _vector(attributes, "ImagePositionPatient", 3)
    down, along = _vector(attributes, "PixelSpacing", 2)  # between rows, then between columns (PS3.3, 10.7.1.3)
    lengths = np.linalg.norm(cosines.reshape(2, 3), axis=1)
    skew = abs(float(cosines[:3] @ cosines[3:]))
    if np.abs(lengths - 1).max() > _COSINE_TOLERANCE or skew > _COSINE_TOLERANCE:
        raise NotAssessable(Reason.GEOMETRY, "direction cosines are no orthonormal pair")
    if np.abs(position).max() > _FURTHEST_MM or not 0 < min(along, down) <= max(along, down) < _FURTHEST_MM:
        raise NotAssessable(Reason.GEOMETRY, "position or spacing out of range")
    return Plane(
        along_row=cosines[:3] / lengths[0],
        down_column=cosines[3:] / lengths[1],
        spacing_mm=(float(along), float(down)),
        position_mm=position,
    )


def _vector(attributes: Attributes, keyword: str, length: int) -> Vector:
    numbers = attributes.numbers(keyword)
    if len(numbers) != length:
        raise NotAssessable(Reason.GEOMETRY, f"image without {keyword}")
    return np.asarray(numbers)


def _headers(dataset: Dataset, frames: int) -> list[Attributes]:
    """One header a frame."""
    limits = limits_of(dataset)
    groups = items(dataset, "PerFrameFunctionalGroupsSequence", limits)
    if not groups and frames == 1:
        return [Attributes((dataset,))]
    if len(groups) != frames:
        raise NotAssessable(Reason.GEOMETRY, f"functional groups of {len(groups)} frames, {frames} stated")
    shared = [layer for group in items(dataset, "SharedFunctionalGroupsSequence", limits) for layer in _layers(group)]
    rest = without_groups(dataset)
    return [Attributes((*_layers(group), *shared, rest)) for group in groups]


def _layers(group: Dataset) -> list[Dataset]:
    """The items of a functional group's macros, one each (PS3.3, C.7.6.16.1.1), with what the reader asks for."""
    found = [item for macro in _MACROS for item in items(group, macro, HEADER_LIMITS)[:1]]
    nested = [item for layer in found for name in _NESTED for item in items(layer, name, HEADER_LIMITS)[:1]]
    return [reduced(item) for item in (*found, *nested)]
