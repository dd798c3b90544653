"""Assessment -> Verdict: what the radiographer is told."""

from functools import partial

from daemon.core.errors import Reason
from daemon.core.values import Assessment, State, Verdict
from models.artefacts import Artefact
from models.bundle import Thresholds
from models.familiarity import DISTANCES

#: What to do about each cause (`specs/methods.md` 6.3).
ACTIONS = {
    Artefact.NOISE: "Check coil connection and position, then repeat with more averages or larger voxels.",
    Artefact.SPIKE: "Repeat once; if the stripes return, stop and call the service engineer.",
    Artefact.BLUR: "Check resolution and reconstruction filters, then repeat.",
    Artefact.WRAP: "Enlarge the field of view or switch on phase oversampling, then repeat.",
    Artefact.MOTION: "Talk to the patient, pad the head, then repeat.",
}
_CARRY_ON = "Carry on: the images can carry the segmentation."
#: From this presence on, the spectrum explains why a series is unlike every known head.
_CERTAIN = 0.9
#: Below this presence of every artefact the image itself shows none: half of what motion, the faintest, has on average.
_EVIDENT = 0.2
_STRANGE = "Check body part and contrast: this is unlike every head that the model knows."
_LOOK = "Look at the images before the patient leaves."
_DOUBTFUL = "Look at the images before the patient leaves: the segmentation is in doubt, and no artefact explains it."


def decide(assessment: Assessment, thresholds: Thresholds, remark: str = "") -> Verdict:
    """ACCEPT, REVIEW or RESCAN.

    A signal counts when it is abnormal: its p-value is at most alpha over the number of signals (Bonferroni). Artefact
    variances ask for a rescan when the task is impaired as well and the image shows an artefact, for a review
    otherwise; signals of the segmentation alone ask for a review (they cannot tell a bad image from an unusual
    person). What is unlike every known head, with no artefact to explain it, is a review with that reason: its other
    numbers mean little. A ``remark`` is told with the reasons, and counts as none.
    """
    reasons = _reasons(assessment)
    verdict = partial(
        Verdict, reasons=(*reasons, *([remark] if remark else [])), rating=_rating(assessment, thresholds)
    )
    fired = [artefact for artefact, measure in assessment.artefacts.items() if measure.abnormal]
    total = assessment.uncertainty
    if _strange(assessment):
        return verdict(state=State.REVIEW, action=_STRANGE)
    if not reasons:
        return verdict(state=State.ACCEPT, action=_CARRY_ON)
    if not (fired or total.abnormal):
        return verdict(state=State.REVIEW, action=_LOOK)
    if max(assessment.causes.values()) < _EVIDENT:
        return verdict(state=State.REVIEW, action=_DOUBTFUL)
    cause = max(fired or assessment.artefacts, key=lambda artefact: _excess(assessment, artefact))
    if total.value > thresholds.impaired:
        return verdict(state=State.RESCAN, cause=cause, action=ACTIONS[cause])
    return verdict(state=State.REVIEW, cause=cause, action=_LOOK)


def decline(reason: Reason, detail: str = "") -> Verdict:
    """NOT_ASSESSED: an answer too, with its reason and what exactly it was; ``detail`` quotes no header."""
    why = f"{reason.value}: {detail}" if detail else reason.value
    return Verdict(
        state=State.NOT_ASSESSED,
        action=f"Not judged: {why}. Decide by eye.",
        reasons=(why,),
        not_assessed=reason,
    )


def _strange(assessment: Assessment) -> bool:
    """Far from every known head, and no artefact is there that would explain it."""
    far = any(assessment.measures[name].abnormal for name in DISTANCES if name in assessment.measures)
    return far and max(assessment.causes.values()) < _CERTAIN


def _excess(assessment: Assessment, artefact: Artefact) -> float:
    """How far an artefact's variance is above its limit."""
    measure = assessment.artefacts[artefact]
    return measure.value / measure.limit if measure.limit else measure.value


def _reasons(assessment: Assessment) -> tuple[str, ...]:
    """Every measure above its limit, in plain words."""
    return tuple(
        f"{name} {measure.value:.3g} above {measure.limit:.3g}"
        for name, measure in assessment.measures.items()
        if measure.abnormal
    )


def _rating(assessment: Assessment, thresholds: Thresholds) -> int:
    """0 worst to 100 best (TID 4014's image quality rating); 50 where the task begins to be impaired."""
    return round(100 / (1 + assessment.uncertainty.value / thresholds.impaired))
