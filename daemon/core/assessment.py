"""Prediction -> Assessment: the scores with the limits of the reference they are compared with."""

from daemon.core.values import Assessment, Measure
from models.artefacts import ARTEFACTS
from models.bundle import Manifest
from models.prediction import Prediction
from models.scores import classical, score, volumes_ml
from models.uncertainty import conformal_limit


def assess(prediction: Prediction, manifest: Manifest) -> Assessment:
    """The measures of one series, each with its limit where the manifest holds a reference for it.

    The artefacts' variances are parts of one total; a part is abnormal where it alone is above the total's limit.
    """
    limits: dict[str, float | None] = {**limits_of(manifest)}
    limits |= dict.fromkeys(ARTEFACTS, limits.get("uncertainty"))
    scores = score(prediction, manifest.labels)
    measures = {name: Measure(value=value, unit="1", limit=limits.get(name)) for name, value in scores.items()}
    for name, value in classical(prediction, manifest.labels).items():
        measures[name] = Measure(value=value, unit="ratio")
    return Assessment(
        uncertainty=measures["uncertainty"],
        artefacts={artefact: measures[artefact.value] for artefact in ARTEFACTS},
        causes=dict(prediction.causes),
        volumes_ml=volumes_ml(prediction, manifest.labels),
        measures=measures,
    )


def limits_of(manifest: Manifest) -> dict[str, float]:
    """The score above which the conformal p-value falls to alpha over the number of signals (Bonferroni)."""
    reference = manifest.reference.scores
    level = manifest.thresholds.alpha / max(1, len(reference))
    return {name: conformal_limit(scores, level) for name, scores in reference.items()}
