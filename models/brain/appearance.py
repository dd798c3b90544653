"""Numbers of one judged image: of the labels that a network gave it, and of the image itself.

What a radiologist would look at, and what the field's quality tools compute: EFC (Atkinson et al. 1997), FBER (Shehzad
et al. 2015), CJV (Ganzetti et al. 2016), CNR (Magnotta et al. 2006), each by MRIQC's formula where it has one (Esteban
et al. 2017), over what the network called background and tissue.
"""

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from models.brain.prediction import Prediction
from models.brain.scores import classical, score
from models.preprocess import FloatArray

#: Below this confidence a voxel of tissue is in doubt.
_DOUBTFUL = 0.7
_TINY = 1e-6


def numbers_of(prediction: Prediction, labels: tuple[str, ...]) -> dict[str, float]:
    """Every number of one judged image that may tell its harm; 0 for what cannot be told.

    Scores and contrasts, the presence of each artefact, what the labels and the image say of themselves. ``labels``
    names the classes, background first.
    """
    numbers = {
        **score(prediction, labels),
        **classical(prediction, labels),
        **{f"presence of {artefact}": float(value) for artefact, value in prediction.causes.items()},
        **describe_labels(prediction, labels),
        **describe_image(prediction.image, prediction.labels > 0),
    }
    return {name: value if np.isfinite(value) else 0.0 for name, value in numbers.items()}


def describe_labels(prediction: Prediction, labels: tuple[str, ...]) -> dict[str, float]:
    """What the labels say of themselves; ``labels`` names the classes, background first.

    Of each tissue: its mean entropy (nats), its mean probability where it is called, its share of the head.
    """
    called, probabilities = prediction.labels, prediction.probabilities
    confidence = probabilities.max(axis=0)
    head = called > 0
    numbers = {
        "confidence": _mean(confidence, head),
        "share in doubt": _mean((confidence < _DOUBTFUL).astype(np.float32), head),
    }
    for number, name in enumerate(labels):
        if number:
            inside = called == number
            numbers[f"{name} entropy"] = _mean(prediction.entropy, inside)
            numbers[f"{name} probability"] = _mean(probabilities[number], inside)
            numbers[f"{name} share"] = float(inside.sum()) / max(1, int(head.sum()))
            numbers[f"{name} surface"] = _surface(inside)
            numbers[f"{name} pieces"] = _pieces(inside)
            volumes = prediction.volume_samples_ml[:, number]
            numbers[f"{name} volume spread"] = float(volumes.std() / max(float(volumes.mean()), _TINY))
    return numbers | _contrasts(prediction, labels)


def describe_image(image: FloatArray, head: npt.NDArray[np.bool_]) -> dict[str, float]:
    """What the image (D, H, W), scaled by its bright signal, says by itself; ``head`` marks what is no background."""
    air = ~ndimage.binary_dilation(head, iterations=3)
    smooth = ndimage.gaussian_filter(image, 1.5)
    fine = np.abs(image - smooth)
    gradient = np.sqrt(sum(np.square(part) for part in np.gradient(image)))
    energy = float(np.sqrt(np.mean(np.square(image)))) + _TINY
    largest = np.sqrt(float(np.square(image).sum())) + _TINY
    normed = image.ravel() / largest
    efc = -float((normed * np.log(np.maximum(normed, _TINY))).sum()) / (np.sqrt(normed.size) * np.log(normed.size) / 2)
    numbers = {
        "air deviation": _deviation(image, air),
        "air mean": _mean(image, air),
        "air 95th percentile": float(np.percentile(image[air], 95)) if air.any() else 0.0,
        "efc": efc,
        "fber": float(np.log10((_mean(np.square(image), head) + _TINY) / (_mean(np.square(image), air) + _TINY))),
        "gradient": _mean(gradient, head),
        "laplacian": _mean(np.abs(ndimage.laplace(image)), head) / energy,
        "fine in head": _mean(fine, head),
        "fine in air": _mean(fine, air),
        "share of air": float(air.mean()),
    }
    for rank, value in enumerate(sorted((_irregularity(image, axis) for axis in range(3)), reverse=True)):
        numbers[f"irregular lines {rank + 1}"] = value
    return numbers


def _contrasts(prediction: Prediction, labels: tuple[str, ...]) -> dict[str, float]:
    """CJV and CNR of the two brightest tissues, and the spread of the brightest, of their own mean."""
    insides = [prediction.image[prediction.labels == number] for number in range(1, len(labels))]
    by_mean = sorted((inside for inside in insides if inside.size), key=lambda inside: float(inside.mean()))
    if len(by_mean) < 2:  # noqa: PLR2004 - a contrast is between two
        return {"cjv": 0.0, "contrast to noise": 0.0, "bright spread": 0.0}
    dark, bright = by_mean[-2:]
    apart = float(bright.mean() - dark.mean()) + _TINY
    pooled = float(np.sqrt((bright.var() + dark.var()) / 2)) + _TINY
    return {
        "cjv": float(bright.std() + dark.std()) / apart,
        "contrast to noise": apart / pooled,
        "bright spread": float(bright.std() / max(float(bright.mean()), _TINY)),
    }


def _irregularity(image: FloatArray, axis: int) -> float:
    """How much the log energy of neighbouring k-space lines along an axis jumps: ghosts, missing lines, motion."""
    spectrum = np.abs(fft.fft(image, axis=axis, workers=1)) ** 2
    lines = np.log(spectrum.mean(axis=tuple(a for a in range(3) if a != axis)) + _TINY)[1 : image.shape[axis] // 2]
    return float(np.abs(np.diff(lines, 2)).mean())


def _surface(mask: npt.NDArray[np.bool_]) -> float:
    """Share of a mask's voxels that touch what is outside it."""
    return 1.0 - float(ndimage.binary_erosion(mask).sum()) / max(1, int(mask.sum()))


def _pieces(mask: npt.NDArray[np.bool_]) -> float:
    """log(1 + connected components) of a mask."""
    return float(np.log1p(ndimage.label(mask)[1]))


def _mean(values: FloatArray, mask: npt.NDArray[np.bool_]) -> float:
    return float(values[mask].mean()) if mask.any() else 0.0


def _deviation(values: FloatArray, mask: npt.NDArray[np.bool_]) -> float:
    return float(values[mask].std()) if mask.any() else 0.0
