"""The five artefacts as physics in k-space: parameters are drawn apart from being applied.

Sources: Shaw et al. 2021, section 3.3 (order and ranges); Shaw et al., MIDL 2019 and the authors' NiftyNet layer
(motion); Gudbjartsson and Patz 1995 (Rician noise). k-space is the unshifted 3D FFT; all images are magnitudes.

``corrupt`` applies any set of them in the order motion, spike, noise, low-pass, line removal. Each value is
replayable: the same parameters and the same image give the same result, bit for bit.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import affine_transform, spline_filter
from scipy.spatial.transform import Rotation

from models.artefacts import Artefact

Spectrum = npt.NDArray[np.complex64]
Image = npt.NDArray[np.float32]


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
        index = tuple(round(p * n) % n for p, n in zip(self.position, spectrum.shape, strict=True))
        spiked = spectrum.copy()
        spiked[index] += self.amplitude * np.abs(spectrum).max() * np.exp(1j * self.phase)
        return spiked


@dataclass(frozen=True, slots=True, kw_only=True)
class Blur:
    """Low-pass: along each axis only the central 1 / ``factors`` of the lines is kept (factor 1: all)."""

    factors: tuple[float, float, float]

    def apply(self, spectrum: Spectrum) -> Spectrum:
        """Zero the outer lines; the mean of the image stays."""
        kept = spectrum
        for axis, factor in enumerate(self.factors):
            frequency = np.abs(np.fft.fftfreq(spectrum.shape[axis]))
            kept = kept * _along(frequency <= 0.5 / factor, axis)
        return kept


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
        lines = np.arange(spectrum.shape[self.axis])
        if self.period > 0:
            kept = lines % self.period == 0
        elif self.period < 0:
            kept = lines % -self.period != -self.period // 2
        else:
            kept = np.random.default_rng(self.seed).random(lines.size) >= self.dropped
        return spectrum * _along(kept | (lines == 0), self.axis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """The head's pose from ``start`` (fraction of the scan) on: degrees about and millimetres along each axis."""

    start: float
    degrees: tuple[float, float, float]
    millimetres: tuple[float, float, float]


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
        time = np.fft.fftfreq(image.shape[self.axis]) + 0.5  # of each line, in fractions of the scan
        poses = (_REST, *self.poses)
        ends = (*(pose.start for pose in self.poses), np.inf)
        reference = [pose for pose in poses if pose.start <= _CENTRE][-1]
        coefficients = spline_filter(image, order=3, output=np.float32)
        for pose, end in zip(poses, ends, strict=True):
            segment = (time >= pose.start) & (time < end)
            if pose is reference or not segment.any():
                continue
            seen = _spectrum(_move(coefficients, pose, reference, np.asarray(spacing, float)))
            lines = tuple(segment if axis == self.axis else slice(None) for axis in range(3))
            moved[lines] = seen[lines]
        return moved


Corruption = Noise | Spike | Blur | Wrap | Motion


def corrupt(image: Image, corruptions: Iterable[Corruption], spacing: npt.ArrayLike) -> Image:
    """The magnitude image of float32 ``image`` (i, j, k) after the artefacts; the image itself if there are none."""
    chosen = tuple(corruptions)
    return magnitude(acquire(image, chosen, spacing)) if chosen else image


def acquire(image: Image, corruptions: Iterable[Corruption], spacing: npt.ArrayLike) -> Spectrum:
    """k-space of the image after the artefacts, in the order in which they happen in a scan."""
    order = (Motion, Spike, Noise, Blur, Wrap)
    spectrum: Spectrum | None = None
    for corruption in sorted(corruptions, key=lambda c: order.index(type(c))):
        if isinstance(corruption, Motion):
            spectrum = corruption.apply(image, spacing)
        else:
            spectrum = corruption.apply(_spectrum(image) if spectrum is None else spectrum)
    return _spectrum(image) if spectrum is None else spectrum


def magnitude(spectrum: Spectrum) -> Image:
    """The magnitude image of a k-space, float32."""
    image: Image = np.abs(fft.ifftn(spectrum, workers=1)).astype(np.float32)
    return image


def draw(artefact: Artefact, severity: float, rng: np.random.Generator) -> Corruption:
    """Random parameters of one artefact at ``severity`` in (0, 1]; 1 is the far end of the paper's range.

    Noise 20 to -10 dB; spike 0.5 to 10 times the k-space maximum; blur up to a factor 12 on one to three axes;
    wrap 10 to 75 % of the lines; motion up to twice the published spread (10.8 degrees, 6 mm).
    """
    return _DRAWERS[artefact](severity, rng)


def _draw_noise(severity: float, rng: np.random.Generator) -> Noise:
    return Noise(snr_db=20 - 30 * severity, seed=int(rng.integers(2**31)))


#: Cycles per voxel below which a spike is shading rather than a stripe.
_SHADING = 0.02


def _draw_spike(severity: float, rng: np.random.Generator) -> Spike:
    position = rng.uniform(-0.5, 0.5, 3)
    while np.abs(position).max() < _SHADING:
        position = rng.uniform(-0.5, 0.5, 3)
    amplitude = 0.5 * 20**severity
    return Spike(amplitude=amplitude, position=tuple(position.tolist()), phase=float(rng.uniform(0, 2 * np.pi)))


def _draw_blur(severity: float, rng: np.random.Generator) -> Blur:
    axes = rng.permutation(3)[: rng.integers(1, 4)]
    factor = 1.25 * 9.6**severity
    return Blur(factors=tuple(factor if axis in axes else 1.0 for axis in range(3)))  # type: ignore[arg-type]


def _draw_wrap(severity: float, rng: np.random.Generator) -> Wrap:
    axis, dropped = int(rng.integers(3)), 0.1 + 0.65 * severity
    if rng.integers(2):
        return Wrap(axis=axis, dropped=dropped, seed=int(rng.integers(2**31)))
    period = round(1 / (1 - dropped)) if 2 * dropped >= 1 else -round(1 / dropped)
    return Wrap(axis=axis, period=period)


def _draw_motion(severity: float, rng: np.random.Generator) -> Motion:
    large, small = 1 + rng.poisson(1), rng.poisson(3)
    spread = np.concatenate([np.full(large, 2 * severity), np.full(small, 0.2 * severity)])
    rng.shuffle(spread)
    starts = np.sort(rng.uniform(0.05, 0.95, spread.size))
    poses = tuple(
        Pose(
            start=float(start),
            degrees=tuple(rng.normal(0, 5.4 * s, 3).tolist()),
            millimetres=tuple(rng.normal(0, 3 * s, 3).tolist()),
        )
        for start, s in zip(starts, spread, strict=True)
    )
    return Motion(axis=int(rng.integers(3)), poses=poses)


_DRAWERS: dict[Artefact, Callable[[float, np.random.Generator], Corruption]] = {
    Artefact.NOISE: _draw_noise,
    Artefact.SPIKE: _draw_spike,
    Artefact.BLUR: _draw_blur,
    Artefact.WRAP: _draw_wrap,
    Artefact.MOTION: _draw_motion,
}


def _spectrum(image: Image) -> Spectrum:
    return fft.fftn(image.astype(np.complex64), workers=1, overwrite_x=True)  # type: ignore[no-any-return]


def _along(kept: npt.NDArray[np.bool_], axis: int) -> npt.NDArray[np.float32]:
    return kept.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])


def _move(coefficients: Image, pose: Pose, reference: Pose, spacing: npt.NDArray[np.float64]) -> Image:
    """The image of these cubic spline coefficients under ``pose``, seen from the frame where ``reference`` is rest."""
    (turn, shift), (base, base_shift) = _rigid(pose), _rigid(reference)
    matrix = turn @ base.T
    translation = shift - matrix @ base_shift
    scale = np.diag(spacing)
    inverse = np.linalg.inv(scale) @ matrix.T @ scale  # output voxel -> input voxel
    middle = (np.asarray(coefficients.shape) - 1) / 2
    offset = middle - inverse @ (middle + translation / spacing)
    return np.asarray(affine_transform(coefficients, inverse, offset, order=3, prefilter=False), np.float32)


def _rigid(pose: Pose) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Rotation matrix (3, 3) and translation in mm (3,)."""
    return Rotation.from_euler("xyz", pose.degrees, degrees=True).as_matrix(), np.asarray(pose.millimetres)
