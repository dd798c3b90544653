"""The ways in which a clean head comes: none of them is an artefact, so each occurs clean as often as spoilt.

Sources: Bernstein, King and Zhou 2004 (partial Fourier, elliptical and Hann windows, slice profiles and gaps).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from models.physics.kspace import Image, Spectrum, magnitude
from models.preprocess import Affine, Grid
from training.truth import Truth

#: Air is left about an extracted brain, and none inside it.
_EXTRACTION_CLOSING = 4
#: Longest over shortest side of the voxels of slices.
_SLICED = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One way of acquiring and storing a head.

    ``kept`` (3, 2): first and last share of each axis inside the field of view. ``slice_axis`` with ``thickness_mm``
    and ``gap_mm``: two-dimensional slices, None for three-dimensional. ``window``: of k-space. ``shading``: amplitude
    of the coil's profile. ``gamma``: of the intensities. ``extracted``: the brain alone.
    """

    kept: tuple[tuple[float, float], ...] = ((0.0, 1.0),) * 3
    slice_axis: int | None = None
    thickness_mm: float = 3.0
    gap_mm: float = 0.0
    window: str = ""
    shading: float = 0.0
    shading_seed: int = 0
    gamma: float = 1.0
    extracted: bool = False

    def apply_to(self, person: Truth) -> Truth:
        """The person in this style; the labels stay on their own grid."""
        voxels, affine = person.voxels, person.affine
        if self.extracted:
            brain = ndimage.binary_closing(person.labels > 0, iterations=_EXTRACTION_CLOSING)
            voxels = np.where(ndimage.binary_fill_holes(brain), voxels, np.float32(0))
        voxels = self._filtered(self._shaded(self._toned(voxels)))
        voxels, affine = self._cut(voxels, affine)
        if self.slice_axis is not None and not _is_sliced(Grid(voxels.shape, affine)):
            voxels, affine = self._sliced(voxels, affine, self.slice_axis)
        return replace(person, voxels=voxels, affine=affine, labels_affine=person.affine)

    def _toned(self, voxels: Image) -> Image:
        bright = float(np.percentile(voxels, 99.5)) or 1.0
        toned: Image = (bright * (np.clip(voxels, 0, None) / bright) ** self.gamma).astype(np.float32)
        return toned

    def _shaded(self, voxels: Image) -> Image:
        weights = np.random.default_rng(self.shading_seed).uniform(-1, 1, 9)
        axes = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in voxels.shape), indexing="ij", sparse=True)
        terms = [*axes, *(a * b for i, a in enumerate(axes) for b in axes[i:])]
        field = sum(weight * term for weight, term in zip(weights, terms, strict=True))
        return np.asarray(voxels * np.exp(self.shading * field), np.float32)

    def _filtered(self, voxels: Image) -> Image:
        if not self.window:
            return voxels
        spectrum: Spectrum = fft.fftn(voxels.astype(np.complex64), workers=1)
        return magnitude(spectrum * _window(self.window, voxels.shape))

    def _cut(self, voxels: Image, affine: Affine) -> tuple[Image, Affine]:
        starts = [int(low * n) for (low, _), n in zip(self.kept, voxels.shape, strict=True)]
        ends = [max(s + 1, int(high * n)) for (_, high), n, s in zip(self.kept, voxels.shape, starts, strict=True)]
        moved = affine.copy()
        moved[:3, 3] = affine[:3, :3] @ starts + affine[:3, 3]
        return np.ascontiguousarray(voxels[tuple(map(slice, starts, ends))]), moved

    def _sliced(self, voxels: Image, affine: Affine, axis: int) -> tuple[Image, Affine]:
        """Slices of the thickness, its profile smooth at the edges, at a distance of thickness and gap."""
        spacing = float(Grid(voxels.shape, affine).spacing[axis])
        thickness, step = self.thickness_mm / spacing, max(1.0, (self.thickness_mm + self.gap_mm) / spacing)
        centres = np.arange(step / 2, voxels.shape[axis], step) - 0.5
        offsets = (np.arange(voxels.shape[axis])[None] - centres[:, None]) / thickness
        profile = np.exp(-((2 * np.abs(offsets)) ** 4) * np.log(2))  # half of it at half the thickness
        profile /= np.maximum(profile.sum(axis=1, keepdims=True), 1e-6)
        sliced = np.moveaxis(np.tensordot(profile.astype(np.float32), voxels, axes=(1, axis)), 0, axis)
        turned = affine.copy()
        turned[:3, axis] = affine[:3, axis] * step
        turned[:3, 3] = affine[:3, axis] * centres[0] + affine[:3, 3]
        return np.ascontiguousarray(sliced), turned


def _is_sliced(grid: Grid) -> bool:
    """Whether an image is in slices already: it is not sliced again."""
    return bool(grid.spacing.max() > _SLICED * grid.spacing.min())


def draw_style(rng: np.random.Generator) -> Style:
    """Any of the ways: a third of them 2-D, a third with a cut field of view, one in eight an extracted brain."""
    kept = tuple(_kept(rng) for _ in range(3)) if rng.random() < 1 / 3 else ((0.0, 1.0),) * 3
    thickness = float(rng.uniform(2.5, 6.0))
    return Style(
        kept=kept,
        slice_axis=int(rng.integers(3)) if rng.random() < 1 / 3 else None,
        thickness_mm=thickness,
        gap_mm=float(rng.choice([0.0, 0.1, 0.2])) * thickness,
        window=str(rng.choice(["", "", "partial", "elliptical", "hann"])),
        shading=float(rng.uniform(0, 0.35)),
        shading_seed=int(rng.integers(2**31)),
        gamma=float(np.exp(rng.uniform(-0.2, 0.2))),
        extracted=bool(rng.random() < 1 / 8),
    )


def _kept(rng: np.random.Generator) -> tuple[float, float]:
    """Up to a fifth is missing at either end."""
    return float(max(0.0, rng.uniform(-0.2, 0.2))), 1 - float(max(0.0, rng.uniform(-0.2, 0.2)))


def _window(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """The weight of each k-space sample: three quarters of an axis, an ellipsoid, or a Hann window that ends low."""
    axes = [fft.fftfreq(n).reshape([-1 if a == axis else 1 for a in range(3)]) * 2 for axis, n in enumerate(shape)]
    radius = np.asarray(np.sqrt(sum(f**2 for f in axes)), np.float32)
    if name == "partial":
        return np.broadcast_to(axes[1] > -0.5, shape).astype(np.float32)
    if name == "elliptical":
        return np.asarray(radius <= 1, np.float32)
    return np.asarray(0.6 + 0.4 * np.cos(np.pi * np.minimum(radius, 1)), np.float32)
