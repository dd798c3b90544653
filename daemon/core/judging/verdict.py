"""Assessment -> Verdict: what the radiographer is told. It reads kinds of evidence, never names."""

from functools import reduce
from math import isfinite

from daemon.core.errors import Reason
from daemon.core.judging.unusual import decide_by_past
from daemon.core.measures import Assessment, Measure
from daemon.core.phrases import Phrase, wording
from daemon.core.values import State, Verdict
from models.findings import Evidence
from models.manifest import Manifest, Thresholds

_LOOK = "Look at the images before the patient leaves."
_DOUBT = "Look at the images before the patient leaves: {} is in doubt, and no artefact explains it."


def decide(assessment: Assessment, manifest: Manifest, remark: str = "") -> Verdict:
    """ACCEPT, REVIEW or RESCAN.

    A signal counts when it is abnormal: its p-value is at most alpha over the number of signals (Bonferroni). Evidence
    of the image asks for a rescan where the task is harmed and a cause shows in the image, else for a review; evidence
    of the segmentation asks for a review. What is unfamiliar, with no cause in the image to explain it, is a review
    with that reason: its other numbers mean little. Where the method tells the loss to the task, the verdict is asked
    of it: certain loss is harm and put down to the cause that shows most, expected loss is a review, and what is
    unusual but harmless is a review too. A ``remark`` is told with the reasons, and counts as none.
    """
    if manifest.past is not None:
        return decide_by_past(assessment, manifest, manifest.past, remark)
    limits, loss = manifest.thresholds, assessment.loss
    fired = [measure for measure in assessment.measures if _counts(measure)]
    suspected, harmed = _harm(assessment, limits)
    shown = assessment.shown
    reasons: tuple[Phrase | str, ...] = (*_reasons(assessment, fired, manifest), *([remark] if remark else []))

    def verdict(state: State, action: Phrase | str, cause: str | None = None, cause_word: str = "") -> Verdict:
        return Verdict(
            state=state,
            action=str(action),
            cause=cause,
            cause_word=cause_word,
            reasons=tuple(map(str, reasons)),
            rating=_rating(assessment, limits),
            wording=wording(action, *reasons),
        )

    if any(measure.evidence is Evidence.FAMILIARITY for measure in fired) and shown < limits.certain:
        return verdict(State.REVIEW, _strange(manifest))
    if not (fired or suspected) and isfinite(assessment.rank.value):
        return verdict(State.ACCEPT, Phrase("Carry on: the images can carry {}.", (manifest.task,)))
    spoilt = [measure for measure in fired if measure.evidence is Evidence.IMAGE]
    if not (spoilt or (loss and harmed)):
        return verdict(State.REVIEW, _LOOK)
    cause = _most_present(assessment) if loss and suspected else _cause(assessment, spoilt)
    if not cause or shown < limits.evident:
        return verdict(State.REVIEW, Phrase(_DOUBT, (manifest.task,)))
    entry = manifest.causes[cause]
    state, action = (State.RESCAN, entry.action) if harmed else (State.REVIEW, _LOOK)
    return verdict(state, action, cause, entry.word)


def decline(reason: Reason, detail: str = "") -> Verdict:
    """NOT_ASSESSED: an answer too, with its reason and what exactly it was; ``detail`` quotes no header."""
    why = Phrase("{}: {}", (reason.value, detail)) if detail else reason.value
    action = Phrase("Not judged: {}. Decide by eye.", (why,))
    return Verdict(
        state=State.NOT_ASSESSED,
        action=str(action),
        reasons=(str(why),),
        not_assessed=reason,
        wording=wording(action),
    )


def _counts(measure: Measure) -> bool:
    return measure.abnormal and measure.evidence is not Evidence.DESCRIPTIVE


def _harm(assessment: Assessment, limits: Thresholds) -> tuple[bool, bool]:
    """Whether the task is expected to suffer, and whether it surely does.

    A rescan costs more than a look: the lower end of the loss must be beyond what is tolerated.
    """
    if assessment.loss is None:
        return False, assessment.rank.value > limits.impaired
    certain = assessment.loss.interval[0] > limits.tolerated_loss
    return certain or assessment.loss.expected > limits.tolerated_loss, certain


def _strange(manifest: Manifest) -> Phrase:
    said = "Check body part and contrast: this is unlike every {} that the model knows."
    return Phrase(said, (manifest.organ.word,))


def _cause(assessment: Assessment, spoilt: list[Measure]) -> str:
    """What the signal furthest above its limit is put down to, of those that fired where any of these has a cause.

    Where no signal has one of its own it is the cause that shows most.
    """
    blamed = [measure for measure in spoilt if measure.cause] or [one for one in assessment.measures if one.cause]
    return max(blamed, key=_excess).cause if blamed else _most_present(assessment)


def _most_present(assessment: Assessment) -> str:
    """The cause that shows most; none where none was looked for."""
    return max(assessment.presence, key=lambda cause: assessment.presence[cause], default="")


def _excess(measure: Measure) -> float:
    """How far a measure is above its limit."""
    return measure.value / measure.limit if measure.limit else measure.value


def _reasons(assessment: Assessment, fired: list[Measure], manifest: Manifest) -> tuple[Phrase, ...]:
    """Every measure above its limit, and what cannot be said, in plain words."""
    limits = manifest.thresholds
    reasons = [_reason(places, manifest) for places in _by_signal(fired)]
    if not isfinite(assessment.rank.value):
        reasons.append(Phrase("{} is no number", (_named(assessment.rank, manifest),)))
    if (loss := assessment.loss) and _harm(assessment, limits)[0]:
        told = (f"{loss.expected:.2g}", *(f"{end:.2g}" for end in loss.interval), f"{limits.tolerated_loss:.3g}")
        reasons.append(Phrase("expected loss {} ({} to {}) above {}", told))
    return tuple(reasons)


def _by_signal(fired: list[Measure]) -> list[list[Measure]]:
    """The measures that fired, the places of one signal together."""
    found: dict[str, list[Measure]] = {}
    for measure in fired:
        found.setdefault(measure.name, []).append(measure)
    return list(found.values())


def _reason(places: list[Measure], manifest: Manifest) -> Phrase:
    """Such as "entropy at volume 17 5.2 above 3, and at 4 places more": the worst place, and how many there are."""
    measure = max(places, key=_excess)
    told = (_named(measure, manifest), f"{measure.value:.3g}")
    limit = measure.limit
    reason = Phrase("{} {}", told) if limit is None else Phrase("{} {} above {}", (*told, f"{limit:.3g}"))
    return Phrase("{}, and at {} places more", (reason, str(len(places) - 1))) if len(places) > 1 else reason


def _named(measure: Measure, manifest: Manifest) -> Phrase | str:
    """What people call it: its cause's word where it has one."""
    named: Phrase | str = manifest.causes[measure.cause].word if measure.cause else measure.name
    if measure.structure:
        named = Phrase("{} of {}", (named, measure.structure))
    return Phrase("{} at {}", (named, _place(measure))) if measure.at else named


def _place(measure: Measure) -> Phrase:
    """Such as "volume 17, slice 3"."""
    first, *further = (
        Phrase("{} {}", (axis, str(index + 1))) for axis, index in zip(measure.axes, measure.at, strict=False)
    )
    return reduce(lambda place, one: Phrase("{}, {}", (place, one)), further, first)


def _rating(assessment: Assessment, limits: Thresholds) -> int | None:
    """0 worst to 100 best (TID 4014's image quality rating); 50 where the task begins to be impaired."""
    loss, rank = assessment.loss, assessment.rank.value
    harm = rank / limits.impaired if loss is None else loss.expected / limits.tolerated_loss
    return round(100 / (1 + max(0.0, harm))) if isfinite(harm) else None
