"""An image of a person and its labels as arrays on one grid, or what is wrong with them."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from models.preprocess import Affine, FloatArray, canonical
from training.bids.faults import BidsError, Fault, Finding
from training.bids.finding import Scan
from training.bids.segmentation import UnknownLabelsError, codes_of, read_lookup

_MOST_VOXELS: Final = 2**29
#: How far two affines may differ in mm over the whole volume: rounding of a header.
_CLOSE_MM: Final = 0.5
#: What nibabel and the libraries below it raise of a damaged file.
_UNREADABLE: Final = (
    OSError,
    EOFError,
    ImageFileError,
    HeaderDataError,
    WrapStructError,
    zlib.error,
    MemoryError,
    OverflowError,
    ValueError,
)

Codes = npt.NDArray[np.int32]
#: Voxels float32 (i, j, k) and their affine.
Volume = tuple[FloatArray, Affine]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """``voxels`` float32 and ``codes`` int32 (i, j, k) in canonical order on one grid; codes are FreeSurfer's."""

    scan: Scan
    voxels: FloatArray
    codes: Codes
    affine: Affine


def check_scans(scans: Sequence[Scan]) -> None:
    """Read everything once.

    Raises:
        BidsError: with all that is wrong in any of them.
    """
    findings = [finding for scan in scans for finding in _findings(scan)]
    if findings:
        raise BidsError(findings)


def read_scan(scan: Scan) -> Labelled:
    """One image with its labels.

    Raises:
        BidsError: one of them cannot be used.
    """
    image, labels = _read(scan, scan.image), _read(scan, scan.labels)
    if not on_one_grid(image, labels):
        raise _error(scan.person, Fault.AFFINES_DIFFER, scan.labels, f"{labels[0].shape}, the image {image[0].shape}")
    values = np.rint(labels[0]).astype(np.int32)
    voxels = np.nan_to_num(image[0], nan=0.0, posinf=0.0, neginf=0.0)
    try:
        table = codes_of(values, voxels, read_lookup(scan.lookup))
    except UnknownLabelsError as error:
        raise _error(scan.person, Fault.UNKNOWN_LABELS, scan.labels, str(error)) from error
    codes = np.zeros(values.shape, np.int32)
    for value, code in table.items():
        codes[values == value] = code
    turned, affine = canonical(voxels, image[1])
    return Labelled(scan=scan, voxels=turned, codes=canonical(codes, image[1])[0], affine=affine)


def _findings(scan: Scan) -> Iterator[Finding]:
    try:
        read_scan(scan)
    except BidsError as error:
        yield from error.findings


def _read(scan: Scan, path: Path) -> Volume:
    voxels, affine = read_volume(path, scan.person)
    finite = voxels[np.isfinite(voxels)]
    if finite.size == 0 or float(np.ptp(finite)) == 0.0:
        raise _error(scan.person, Fault.EMPTY, path)
    return voxels, affine


def read_volume(path: Path, person: str) -> Volume:
    """The voxels (i, j, k) of a file of a ``person``, and its affine; a last axis of length one is none.

    Raises:
        BidsError: it cannot be read, is no volume, or is too large.
    """
    try:
        image = nib.Nifti1Image.from_filename(path)
        shape, affine = tuple(int(n) for n in image.shape), np.asarray(image.affine, float)
    except _UNREADABLE as error:
        raise _error(person, Fault.BROKEN, path, type(error).__name__) from error
    if len(shape) < 3 or any(n != 1 for n in shape[3:]) or min(shape[:3], default=0) < 2:
        raise _error(person, Fault.NOT_3D, path, " x ".join(map(str, shape)))
    if float(np.prod([float(n) for n in shape])) > _MOST_VOXELS:
        raise _error(person, Fault.TOO_LARGE, path, " x ".join(map(str, shape)))
    try:
        voxels = np.asarray(image.dataobj, np.float32).reshape(shape[:3])
    except _UNREADABLE as error:
        raise _error(person, Fault.BROKEN, path, type(error).__name__) from error
    if not np.isfinite(affine).all() or abs(float(np.linalg.det(affine[:3, :3]))) < np.finfo(np.float32).tiny:
        raise _error(person, Fault.BROKEN, path, "its affine is none")
    return voxels, affine


def on_one_grid(image: Volume, labels: Volume) -> bool:
    """Whether both have the same voxels in the same places, but for the rounding of a header."""
    if image[0].shape != labels[0].shape:
        return False
    corners = np.array(np.meshgrid(*((0, n - 1) for n in image[0].shape), 1)).reshape(4, -1)
    return bool(np.abs((image[1] - labels[1]) @ corners).max() <= _CLOSE_MM)


def _error(person: str, fault: Fault, path: Path, found: str = "") -> BidsError:
    return BidsError([Finding(fault=fault, where=path.name, person=person, found=found)])
