"""python -m export.golden_cine: the golden cine of a bundle of hearts, made small from a series that may ship."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from daemon.dicom.reading.volumes import arrange, decode
from daemon.edge.files.content import FileContent
from models.subject import Image
from training.running.options import add_options

#: Every second phase and slice, two pixels as one, so many levels: enough for a heart, little to ship.
_EVERY, _LEVELS = 2, 255


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenCinePlan:
    """``dicom``: folder of one series, all slices and phases; ``out``: NIfTI file."""

    dicom: Path
    out: Path


def write_golden_cine(plan: GoldenCinePlan) -> None:
    """Read the series as the daemon does, and write every second of everything."""
    files = sorted(path for path in plan.dicom.rglob("*") if path.is_file())
    image = decode(arrange(map(FileContent, files)))
    voxels, affine = _smaller(image)
    nifti = nib.Nifti1Image(np.moveaxis(voxels, 0, -1), affine)
    nifti.header.set_xyzt_units("mm", "msec")
    nifti.header["pixdim"][4] = _EVERY * float(np.median(np.diff(image.times_ms)))
    plan.out.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nifti, plan.out)


def _smaller(image: Image) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Voxels (T, i, j, k) of 256 levels and their affine."""
    frames = np.asarray(image.voxels, np.float32)[::_EVERY, :, :, ::_EVERY]
    t, i, j, k = frames.shape
    inside = frames[:, : i // 2 * 2, : j // 2 * 2].reshape(t, i // 2, 2, j // 2, 2, k).mean(axis=(2, 4))
    bright = float(np.percentile(inside, 99.9))
    affine = image.affine @ np.diag([2.0, 2.0, float(_EVERY), 1.0])
    affine[:3, 3] += image.affine[:3, 0] / 2 + image.affine[:3, 1] / 2
    return np.rint(np.clip(inside / bright, 0, 1) * _LEVELS).astype(np.uint8), affine


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(prog="python -m export.golden_cine", description=__doc__)
    add_options(parser, GoldenCinePlan)
    write_golden_cine(GoldenCinePlan(**vars(parser.parse_args(arguments))))


if __name__ == "__main__":
    main()
