"""An assessment beside its protocol's own past -> Verdict: what is unusual, by how much, and what is like that."""

from collections.abc import Iterator
from math import inf, isnan

from daemon.core.measures import Assessment, Measure
from daemon.core.values import State, Verdict
from models.manifest import Manifest
from models.past import Compared, Past
from models.statistics.reference_set import USUAL

_LOOK = "Look at the images before the patient leaves."
_REPEAT = "Look at the images, and repeat the series before the patient leaves."
#: The share of the calls for a look that are calls for a rescan, of series like the past.
_REPEATED = 0.1
#: So many measures are named, the furthest from usual first; the others are in the report.
_NAMED = 3


def decide_by_past(assessment: Assessment, manifest: Manifest, past: Past, remark: str = "") -> Verdict:
    """ACCEPT, or REVIEW for what lies further from its protocol's past than the tolerated share of it does.

    A deviation says that a series is unlike the good ones, not that its task is harmed: it asks for a rescan only where
    the site says so of the protocol, and then a tenth as often as for a look.
    Too short a past says nothing, and is told. The likely cause is named where the departures are plain.
    """
    remarks = (*assessment.remarks, *([remark] if remark else []))
    if assessment.learning:
        action = f"Carry on: {assessment.learning} what is usual of this protocol, nothing to compare with yet."
        return Verdict(state=State.ACCEPT, action=action, reasons=(assessment.learning, *remarks))
    if not assessment.rank.abnormal:
        return Verdict(state=State.ACCEPT, action="Carry on: as usual for this protocol.", reasons=remarks)
    found = _unusual(assessment, past)
    said = [_said(measure, past.signals[measure.name], assessment) for measure in found]
    first = said[0] if said else "unlike its own past in all measures together"
    cause = _likely(assessment, manifest)
    repeat = assessment.rescans and (assessment.rank.p_value or 0.0) <= _REPEATED * (assessment.rank.level or 0.0)
    return Verdict(
        state=State.RESCAN if repeat else State.REVIEW,
        action=f"{first[:1].upper()}{first[1:]}. {_REPEAT if repeat else _LOOK}",
        reasons=(*(said or [first]), *remarks),
        cause=cause,
        cause_word=manifest.causes[cause].word if cause else "",
    )


def _likely(assessment: Assessment, manifest: Manifest) -> str | None:
    """The cause that is plain in the departures from usual."""
    cause = max(assessment.presence, key=lambda one: assessment.presence[one], default=None)
    return cause if cause and assessment.presence[cause] >= manifest.thresholds.certain else None


def _unusual(assessment: Assessment, past: Past) -> list[Measure]:
    """The measures that are out of their usual range, the furthest first; what could not be measured has no measure."""
    beside = [one for one in assessment.measures if one.name in past.signals and not one.at and one.score is not None]
    return sorted((one for one in beside if _score(one) > USUAL), key=_score, reverse=True)[:_NAMED]


def _score(measure: Measure) -> float:
    return inf if measure.score is None else measure.score


def _said(measure: Measure, compared: Compared, assessment: Assessment) -> str:
    """Such as "background 3.1 times its usual: noise"."""
    median = measure.median if measure.median is not None else measure.value
    hint = "" if isnan(measure.value) else compared.higher if measure.value > median else compared.lower
    parts = [compared.word, _how_far(measure, median, compared), *_place(compared, assessment)]
    return " ".join(parts) + (f": {hint}" if hint else "")


def _how_far(measure: Measure, median: float, compared: Compared) -> str:
    if isnan(measure.value):
        return "cannot be measured, unlike in its past"
    if compared.ratio and median > 0:
        return f"{measure.value / median:.2g} times its usual"
    return f"{measure.value:.2g}, usually {median:.2g}"


def _place(compared: Compared, assessment: Assessment) -> Iterator[str]:
    """The slice and the volume it is in, counted from 1."""
    known = {measure.name: measure.value for measure in assessment.measures}
    for word, name in (("slice", compared.at), ("volume", compared.at_volume)):
        if name in known:
            yield f"at {word} {known[name] + 1:.0f}"
