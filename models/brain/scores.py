"""The numbers of a prediction: what is compared with the reference, reported, and correlated with Dice."""

from collections.abc import Mapping

import numpy as np

from models.brain.prediction import Prediction
from models.physics.artefacts import ARTEFACTS
from models.statistics.uncertainty import contrast_to_noise, mean_within, rim, sampled_interval, signal_to_noise, widen

#: The judged tissue and the one it borders on, as named in a manifest's labels.
JUDGED, NEIGHBOUR = "grey matter", "white matter"
FLUID = "CSF"


def score(prediction: Prediction, labels: tuple[str, ...]) -> dict[str, float]:
    """Every signal of one series; higher is worse.

    Variances are averaged over the judged tissue and its rim: an artefact elsewhere does not hurt the task (Shaw et
    al. 2021, section 1). ``uncertainty`` is the sum over all artefacts, ``task`` what is left without any; ``entropy``
    is the doubt of the labels themselves, as the network has it.
    """
    region = rim(prediction.labels == labels.index(JUDGED))
    scores = {artefact.value: mean_within(prediction.variances[artefact], region) for artefact in ARTEFACTS}
    scores["uncertainty"] = sum(scores.values())
    scores["task"] = mean_within(prediction.task_variance, region)
    scores["entropy"] = mean_within(prediction.entropy, region)
    return scores


def classical(prediction: Prediction, labels: tuple[str, ...]) -> dict[str, float]:
    """SNR and CNR of the judged tissue: lower is worse."""
    tissue, neighbour = (prediction.labels == labels.index(name) for name in (JUDGED, NEIGHBOUR))
    return {
        "snr": signal_to_noise(prediction.image, tissue),
        "cnr": contrast_to_noise(prediction.image, tissue, neighbour),
    }


def tissue_contrast(prediction: Prediction, labels: tuple[str, ...]) -> tuple[float, float]:
    """Median intensity of CSF over that of grey matter, and of grey over white matter; NaN where one is missing."""
    tissues = (prediction.image[prediction.labels == labels.index(name)] for name in (FLUID, JUDGED, NEIGHBOUR))
    fluid, grey, white = (float(np.median(inside)) if inside.size else float("nan") for inside in tissues)
    return fluid / max(grey, 1e-6), grey / max(white, 1e-6)


def volume_intervals_ml(
    prediction: Prediction, labels: tuple[str, ...], margins: Mapping[str, float] | None = None
) -> dict[str, tuple[float, float]]:
    """The interval in mL that holds each tissue's volume in nine heads of ten; ``margins`` by tissue widen it."""
    return {
        name: widen(sampled_interval(prediction.volume_samples_ml[:, i]), (margins or {}).get(name, 0.0))
        for i, name in enumerate(labels)
        if i
    }


def volumes_ml(prediction: Prediction, labels: tuple[str, ...]) -> dict[str, float]:
    """Volume of each tissue in mL: the sum of its probability."""
    voxel_ml = abs(float(np.linalg.det(prediction.affine[:3, :3]))) / 1000
    return {name: float(prediction.probabilities[i].sum()) * voxel_ml for i, name in enumerate(labels) if i}
