"""Volumes that are no head, or no T1-weighted one: what a scanner may send to the wrong listener."""

from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter

SHAPE = (100, 120, 100)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


def phantoms() -> dict[str, np.ndarray]:
    """Drawn things on a 2 mm grid, by name; each with the noise of a coil."""
    rng = np.random.default_rng(0)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in SHAPE), indexing="ij")
    radius = np.sqrt(x**2 + y**2 + z**2)
    noise = 0.04 * rng.rayleigh(1, SHAPE)
    apart = np.hypot(np.abs(x) - 0.4, y)
    legs = (apart < 0.3) * (0.6 + 0.4 * (apart < 0.1))
    wedges = (radius < 0.8) * (1 + 0.4 * np.cos(10 * np.arctan2(y, x))) * (radius > 0.15)
    knee = 1.5 * (np.hypot(x - 0.1, y) < 0.32) * (z > 0.05) + 1.4 * (np.hypot(x, y) < 0.39) * (z < -0.05)
    things = {
        "empty field of view": 0.0 * x,
        "bottle": 1.0 * (np.hypot(x, y) < 0.7),
        "sphere": 1.0 * (radius < 0.8),
        "sphere in layers": 1.0 * (radius < 0.8) + 0.5 * (radius < 0.5) + 0.5 * (radius < 0.3),
        "grapefruit": wedges + 0.8 * (abs(radius - 0.8) < 0.04),
        "knee": gaussian_filter(knee + 0.6 * (np.hypot(x, y) < 0.7), 1),
        "two legs": legs,
        "ramp": x + 1,
    }
    for size in (3, 6, 9):
        things[f"blobs of {size}"] = 20 * np.clip(gaussian_filter(rng.standard_normal(SHAPE), size), 0, None)
    return {name: (thing + noise).astype(np.float32) for name, thing in things.items()}


def volumes(data: Path) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """(kind, name, voxels, affine) of every stranger: phantoms, hearts, FLAIR and inverted heads of ``data``."""
    for name, thing in phantoms().items():
        yield "phantom", name, thing, AFFINE
    for path in sorted(data.glob("cardiac/sub-*/*_phase-ED_cine.nii.gz")):
        yield "heart", path.name[:7], *_read(path)
    for path in sorted(data.glob("brain/sub-*/anat/*_FLAIR.nii.gz")):
        yield "FLAIR head", path.name[:6], *_read(path)
    for path in sorted(data.glob("brain/sub-*/anat/*_T1w.nii.gz")):
        voxels, affine = _read(path)
        inverted = np.clip(np.percentile(voxels, 99) - voxels, 0, None) * (voxels > np.percentile(voxels, 50))
        yield "inverted head", path.name[:6], inverted, affine


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    image = nib.Nifti1Image.from_filename(path)
    return np.squeeze(np.asarray(image.dataobj, np.float32)), np.asarray(image.affine)
