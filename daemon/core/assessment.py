"""Prediction -> Assessment: the scores beside the reference they are compared with."""

from collections.abc import Mapping

from daemon.core.reference import Standard, known_heads
from daemon.core.values import Assessment, Measure
from models.artefacts import ARTEFACTS
from models.bundle import Manifest
from models.prediction import Prediction
from models.scores import classical, score, volume_intervals_ml, volumes_ml

#: An artefact's variance is a part of the total, and is compared with the total's reference.
_COMPARED_AS: dict[str, str] = dict.fromkeys(ARTEFACTS, "uncertainty")


def assess(
    prediction: Prediction,
    manifest: Manifest,
    standard: Standard,
    distances: Mapping[str, float] | None = None,
) -> Assessment:
    """The measures of one series, each with its limit and p-value where ``standard`` holds references for it.

    The artefacts' variances are parts of one total; a part is abnormal where it alone is above the total's limit.
    ``distances`` from the known heads are always compared with the manifest's.
    """
    scores = score(prediction, manifest.labels)
    measures = {name: standard.measure(value, _COMPARED_AS.get(name, name)) for name, value in scores.items()}
    for name, value in classical(prediction, manifest.labels).items():
        measures[name] = Measure(value=value, unit="ratio")
    known = known_heads(manifest)
    measures |= {name: known.measure(value, name) for name, value in (distances or {}).items()}
    return Assessment(
        uncertainty=measures["uncertainty"],
        artefacts={artefact: measures[artefact.value] for artefact in ARTEFACTS},
        causes=dict(prediction.causes),
        volumes_ml=volumes_ml(prediction, manifest.labels),
        measures=measures,
        intervals_ml=volume_intervals_ml(prediction, manifest.labels, manifest.interval_margins),
        reference=standard.name,
    )
