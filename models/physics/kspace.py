"""The five artefacts as physics in k-space: parameters are drawn apart from being applied.

Sources: Shaw et al. 2021, section 3.3 (order and ranges); Shaw et al., MIDL 2019 and the authors' NiftyNet layer
(motion); Gudbjartsson and Patz 1995 (Rician noise). k-space is the unshifted 3D FFT; all images are magnitudes.

``corrupt`` applies any set of them in the order motion, spike, noise, low-pass, line removal, folding. Each value is
replayable: the same parameters and the same image give the same result, bit for bit. ``training/synthesis/physics.py``
applies the same parameters in torch.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import affine_transform, spline_filter
from scipy.spatial.transform import Rotation

Spectrum = npt.NDArray[np.complex64]
Image = npt.NDArray[np.float32]
#: Axis -> weight of each line of k-space along it.
LineWeights = dict[int, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """White complex Gaussian noise at a signal-to-noise ratio of ``snr_db`` = 10 log10(signal power / noise power)."""

    snr_db: float
    seed: int

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """Add noise of standard deviation s per component in k-space, s / sqrt(N) per component in the image."""
        power = float(np.vdot(spectrum, spectrum).real) / spectrum.size
        scale = np.float32(np.sqrt(power * 10 ** (-self.snr_db / 10) / 2))
        pairs = np.random.default_rng(self.seed).standard_normal((*spectrum.shape, 2), np.float32)
        return spectrum + scale * pairs.view(np.complex64)[..., 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """One k-space sample raised by ``amplitude`` times the largest magnitude, at ``position`` in cycles per voxel."""

    amplitude: float
    position: tuple[float, float, float]
    phase: float

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """Add a stripe of amplitude ``amplitude`` x mean(image), for a non-negative image."""
        spiked = spectrum.copy()
        spiked[self.index(spectrum.shape)] += self.amplitude * np.abs(spectrum).max() * np.exp(1j * self.phase)
        return spiked

    def index(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The sample of a k-space of this shape that is raised."""
        return tuple(round(p * n) % n for p, n in zip(self.position, shape, strict=True))


#: Full width at half maximum of a Gaussian, in standard deviations.
_WIDTHS_PER_DEVIATION = 2.355


@dataclass(frozen=True, slots=True, kw_only=True)
class Blur:
    """Low-pass: along each axis only the central 1 / ``factors`` of the lines is kept (factor 1: all).

    ``soft``: the lines fade as a filter on the console makes them, to a Gaussian of ``factors`` voxels' full width.
    """

    factors: tuple[float, float, float]
    soft: bool = False

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """Weaken the outer lines; the mean of the image stays."""
        return _weigh(spectrum, self.line_weights(spectrum.shape))

    def line_weights(self, shape: tuple[int, ...]) -> LineWeights:
        """Along each axis that is blurred, the weight of every line of a k-space of this shape."""
        blurred = {axis: factor for axis, factor in enumerate(self.factors) if factor > 1}
        return {axis: self._window(np.fft.fftfreq(shape[axis]), factor) for axis, factor in blurred.items()}

    def _window(self, frequency: npt.NDArray[np.floating], factor: float) -> npt.NDArray[np.floating]:
        """Weight of each line at its frequency in cycles per voxel."""
        if self.soft:
            deviation = np.float64(factor / _WIDTHS_PER_DEVIATION)
            return np.asarray(np.exp(-2 * (np.pi * deviation * frequency) ** 2))
        return np.asarray(np.abs(frequency) <= 0.5 / factor, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrap:
    """Line removal along one axis: the field of view folds over (regular) or scatters (random).

    ``period`` > 0 keeps every ``period``-th line (the mean of ``period`` rolled copies of the image), < 0 drops
    every -``period``-th; 0 drops lines at random with probability ``dropped``. The central line always stays.
    """

    axis: int
    period: int = 0
    dropped: float = 0.0
    seed: int = 0

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """Zero the removed lines."""
        return _weigh(spectrum, self.line_weights(spectrum.shape))

    def line_weights(self, shape: tuple[int, ...]) -> LineWeights:
        """Along the axis, 1 for each line of a k-space of this shape that is kept, 0 for one that is not."""
        lines = np.arange(shape[self.axis])
        if self.period > 0:
            kept = lines % self.period == 0
        elif self.period < 0:
            kept = lines % -self.period != -self.period // 2
        else:
            kept = np.random.default_rng(self.seed).random(lines.size) >= self.dropped
        return {self.axis: kept | (lines == 0)}


#: Share of the largest intensity from which on a slice shows the head.
_SHOWS_HEAD = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """A field of view of ``share`` of the head along ``axis``, ``place`` (0 to 1) in it: what lies outside folds in.

    k-space sampled more coarsely than the head is large; its image is the sum of the head's parts a field of view
    apart. Outside of it there is nothing.
    """

    axis: int
    share: float
    place: float

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """Fold the complex image."""
        image = np.moveaxis(fft.ifftn(spectrum, workers=1), self.axis, 0)
        low, width = self.window(np.abs(image).max(axis=(1, 2)))
        folded = np.zeros_like(image)
        slices = low + (np.arange(len(image)) - low) % width
        np.add.at(folded, slices, image)
        return fft.fftn(np.moveaxis(folded, 0, self.axis), workers=1)  # type: ignore[no-any-return]

    def window(self, profile: npt.NDArray[np.floating]) -> tuple[int, int]:
        """First slice and number of slices of the field of view, from the largest intensity of each slice."""
        shown = np.flatnonzero(profile > _SHOWS_HEAD * profile.max())
        first, extent = (int(shown[0]), int(np.ptp(shown)) + 1) if shown.size else (0, len(profile))
        width = max(1, round(self.share * extent))
        return first + round(self.place * (extent - width)), width


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """The head's pose from ``start`` (fraction of the scan) on: degrees about and millimetres along each axis."""

    start: float
    degrees: tuple[float, float, float]
    millimetres: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """A rigid movement on a lattice: the voxel that comes to lie at voxel x was at ``matrix`` x + ``offset``."""

    matrix: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]


#: The k-space centre is acquired half-way through the scan.
_CENTRE = 0.5
_REST = Pose(start=0.0, degrees=(0.0, 0.0, 0.0), millimetres=(0.0, 0.0, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """Rigid head movement between lines of the phase-encoding ``axis``, acquired from one edge to the other.

    The pose in force at the k-space centre is taken as the identity, so that the anatomy stays where its labels
    are (what the authors' de-meaning by exp(-|k|^2) weights amounts to).
    """

    axis: int
    poses: tuple[Pose, ...]

    def apply(self, image: Image, spacing: npt.ArrayLike) -> Spectrum:
        """k-space of which each segment of lines saw its own pose; float32 image, spacing in mm."""
        moved = _spectrum(image)
        coefficients = spline_filter(image, order=3, output=np.float32)
        for movement, segment in self.segments(image.shape, spacing):
            seen = _spectrum(_move(coefficients, movement))
            lines = tuple(segment if axis == self.axis else slice(None) for axis in range(3))
            moved[lines] = seen[lines]
        return moved

    def segments(
        self, shape: tuple[int, ...], spacing: npt.ArrayLike
    ) -> Iterator[tuple[Movement, npt.NDArray[np.bool_]]]:
        """Each movement of an image of this shape and spacing (mm), and the lines acquired after it.

        Lines of the pose that is taken as the identity are in none.
        """
        time = np.fft.fftfreq(shape[self.axis]) + 0.5  # of each line, in fractions of the scan
        poses = (_REST, *self.poses)
        ends = (*(pose.start for pose in self.poses), np.inf)
        reference = [pose for pose in poses if pose.start <= _CENTRE][-1]
        for pose, end in zip(poses, ends, strict=True):
            segment = (time >= pose.start) & (time < end)
            if pose is not reference and segment.any():
                yield _movement(pose, reference, shape, np.asarray(spacing, float)), segment


Corruption = Noise | Spike | Blur | Wrap | Fold | Motion


def corrupt(image: Image, corruptions: Iterable[Corruption], spacing: npt.ArrayLike) -> Image:
    """The magnitude image of float32 ``image`` (i, j, k) after the artefacts; the image itself if there are none."""
    chosen = tuple(corruptions)
    return magnitude(acquire(image, chosen, spacing)) if chosen else image


def acquire(image: Image, corruptions: Iterable[Corruption], spacing: npt.ArrayLike) -> Spectrum:
    """k-space of the image after the artefacts, in the order in which they happen in a scan."""
    spectrum: Spectrum | None = None
    for corruption in in_order(corruptions):
        if isinstance(corruption, Motion):
            spectrum = corruption.apply(image, spacing)
        else:
            spectrum = corruption.apply(_spectrum(image) if spectrum is None else spectrum)
    return _spectrum(image) if spectrum is None else spectrum


def in_order(corruptions: Iterable[Corruption]) -> list[Corruption]:
    """The artefacts in the order in which they happen."""
    order = (Motion, Spike, Noise, Blur, Wrap, Fold)
    return sorted(corruptions, key=lambda c: order.index(type(c)))


def magnitude(spectrum: Spectrum) -> Image:
    """The magnitude image of a k-space, float32."""
    image: Image = np.abs(fft.ifftn(spectrum, workers=1)).astype(np.float32)
    return image


def _spectrum(image: Image) -> Spectrum:
    return fft.fftn(image.astype(np.complex64), workers=1, overwrite_x=True)  # type: ignore[no-any-return]


def _weigh(spectrum: Spectrum, weights: LineWeights) -> Spectrum:
    for axis, along in weights.items():
        spectrum = spectrum * along.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    return spectrum


def _move(coefficients: Image, movement: Movement) -> Image:
    """The image of these cubic spline coefficients after a movement."""
    moved = affine_transform(coefficients, movement.matrix, movement.offset, order=3, prefilter=False)
    return np.asarray(moved, np.float32)


def _movement(pose: Pose, reference: Pose, shape: tuple[int, ...], spacing: npt.NDArray[np.float64]) -> Movement:
    """How an image moves that is under ``pose``, seen from the frame where ``reference`` is rest."""
    (turn, shift), (base, base_shift) = _rigid(pose), _rigid(reference)
    matrix = turn @ base.T
    translation = shift - matrix @ base_shift
    scale = np.diag(spacing)
    inverse = np.linalg.inv(scale) @ matrix.T @ scale
    middle = (np.asarray(shape) - 1) / 2
    return Movement(matrix=inverse, offset=middle - inverse @ (middle + translation / spacing))


def _rigid(pose: Pose) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Rotation matrix (3, 3) and translation in mm (3,)."""
    return Rotation.from_euler("xyz", pose.degrees, degrees=True).as_matrix(), np.asarray(pose.millimetres)
