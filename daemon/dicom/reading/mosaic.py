"""Siemens mosaics: all slices of a volume as tiles of one classic image.

The tiles are known only from the private CSA header. Facts: the position in the header is that of the first pixel of
the whole mosaic, which is centred where each tile should be; tiles follow SliceNormalVector, row by row
(nibabel's documentation, "The Siemens mosaic format").
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from daemon.core.errors import NotAssessable, Reason
from daemon.dicom.attributes import Attributes, private_element
from daemon.dicom.reading.csa import csa_values
from daemon.dicom.reading.frames import Frame, Plane, Tile, Vector, frames_of
from daemon.dicom.reading.objects import CSA_HEADER

#: Beyond any mosaic: 32 x 32 tiles.
_TILES_MAX: Final = 1024
#: The slice normal is the plane's or its opposite; a cosine this close to one.
_PARALLEL: Final = 0.999


def is_mosaic(header: Attributes) -> bool:
    """Whether the image says it is a mosaic."""
    return "MOSAIC" in header.texts("ImageType")


def mosaic_frames(dataset: Dataset) -> Iterator[Frame]:
    """A frame for each tile, in the order of the tiles.

    Raises:
        NotAssessable: as for a classic image, or the CSA header is missing or contradicts the image.
    """
    whole = next(frames_of(dataset))
    count, normal = _layout(dataset)
    across = math.isqrt(count - 1) + 1
    columns, rows = _tile_shape(whole, across)
    step = _spacing_mm(whole.attributes) * _aligned(normal, whole.plane)
    first = _first_pixel(whole, columns, rows)
    for k in range(count):
        top, left = rows * (k // across), columns * (k % across)
        yield replace(
            whole,
            plane=replace(whole.plane, position_mm=first + k * step),
            tile=Tile(rows=slice(top, top + rows), columns=slice(left, left + columns)),
        )


def _tile_shape(whole: Frame, across: int) -> tuple[int, int]:
    """(columns, rows) of a tile in a mosaic of ``across`` x ``across``."""
    width, height = whole.shape
    if width % across or height % across:
        raise NotAssessable(Reason.UNSUPPORTED, "mosaic that its tiles do not fill")
    return width // across, height // across


def _spacing_mm(header: Attributes) -> float:
    """SpacingBetweenSlices: tiles have no positions of their own to measure it from."""
    step = header.number("SpacingBetweenSlices")
    if step is None or step <= 0:
        raise NotAssessable(Reason.GEOMETRY, "mosaic without SpacingBetweenSlices")
    return step


def _first_pixel(whole: Frame, columns: int, rows: int) -> Vector:
    """Centre of the first pixel of the first tile, LPS mm."""
    plane, (width, height) = whole.plane, whole.shape
    right = (width - columns) / 2 * plane.spacing_mm[0]
    down = (height - rows) / 2 * plane.spacing_mm[1]
    return plane.position_mm + right * plane.along_row + down * plane.down_column


def _aligned(normal: Vector, plane: Plane) -> Vector:
    """The plane's own normal, in the direction in which the tiles go."""
    cosine = float(normal @ plane.normal)
    if not _PARALLEL <= abs(cosine) <= 1 / _PARALLEL:
        raise NotAssessable(Reason.GEOMETRY, "the mosaic's slice normal is not that of its plane")
    return plane.normal if cosine > 0 else -plane.normal


def _layout(dataset: Dataset) -> tuple[int, Vector]:
    """Number of tiles and SliceNormalVector (3,), from the CSA header."""
    header = _csa_header(dataset)
    try:
        (count,) = map(int, csa_values(header, "NumberOfImagesInMosaic"))
        x, y, z = map(float, csa_values(header, "SliceNormalVector"))
    except ValueError as error:
        raise NotAssessable(Reason.UNSUPPORTED, "mosaic whose CSA header does not describe its tiles") from error
    if not 1 <= count <= _TILES_MAX:
        raise NotAssessable(Reason.UNSUPPORTED, "mosaic of an impossible number of tiles")
    return count, np.array([x, y, z])


def _csa_header(dataset: Dataset) -> bytes:
    element = private_element(dataset, CSA_HEADER)
    if element is not None and isinstance(element.value, bytes):
        return element.value
    raise NotAssessable(Reason.UNSUPPORTED, "mosaic without a CSA header")
