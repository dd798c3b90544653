"""An assessment beside its protocol's own past -> Verdict: what is unusual, by how much, and what is like that."""

import re
from collections.abc import Iterator
from dataclasses import replace
from math import inf, isnan

from daemon.core.measures import Assessment, Measure
from daemon.core.phrases import Phrase, wording
from daemon.core.values import State, Verdict
from models.manifest import Manifest
from models.past import Compared, Past
from models.statistics.reference_set import USUAL

#: From the mildest answer about an image on.
_STRICTNESS = (State.ACCEPT, State.REVIEW, State.RESCAN)
_LOOK = "Look at the images before the patient leaves."
_LEARNS = "Carry on: {} what is usual of this protocol, nothing to compare with yet."
_TOGETHER = "unlike its own past in all measures together"
_REPEAT = "Look at the images, and repeat the series before the patient leaves."
#: The share of the calls for a look that are calls for a rescan, of series like the past.
_REPEATED = 0.1
#: So many measures are named, the furthest from usual first; the others are in the report.
_NAMED = 3


def decide_by_past(assessment: Assessment, manifest: Manifest, past: Past, remark: str = "") -> Verdict:
    """ACCEPT, or REVIEW for what lies further from its protocol's past than the tolerated share of it does.

    The same for more signs of an artefact, where the site has learnt how its own series look when they are spoilt.

    A deviation says that a series is unlike the good ones, not that its task is harmed: it asks for a rescan only where
    the site says so of the protocol, and then a tenth as often as for a look.
    Too short a past says nothing, and is told. The likely cause is named where the departures are plain.
    """
    remarks = (*assessment.remarks, *([remark] if remark else []))
    if assessment.learning:
        return _accepted(Phrase(_LEARNS, (learning_of(assessment.learning),)), (assessment.learning, *remarks))
    asked = [one for one in (assessment.rank, *_odds(assessment, past)) if one.abnormal]
    if not asked:
        return _accepted("Carry on: as usual for this protocol.", remarks)
    found = _unusual(assessment, past)
    said: list[Phrase | str] = [_said(one, past.signals[one.name], assessment) for one in found]
    said = said or [_TOGETHER]
    learnt = any(one.name == past.artefact for one in asked)
    cause = _likely(assessment, past.evident if learnt else manifest.thresholds.certain)
    repeat = assessment.rescans and any(_is_rare(one) for one in asked)
    action = Phrase("{}. {}", (_beginning(said[0]), _REPEAT if repeat else _LOOK))
    return Verdict(
        state=State.RESCAN if repeat else State.REVIEW,
        action=str(action),
        reasons=(*map(str, said), *remarks),
        cause=cause,
        cause_word=manifest.causes[cause].word if cause else "",
        wording=wording(action, *said),
    )


def _odds(assessment: Assessment, past: Past) -> Iterator[Measure]:
    """Those of an artefact, where they are told."""
    return (one for one in assessment.measures if one.name == past.artefact)


def _is_rare(measure: Measure) -> bool:
    """Whether it asks for a rescan where the site lets it."""
    return (measure.p_value or 0.0) <= _REPEATED * (measure.level or 0.0)


def beside_own_past(task: Verdict, own_past: Verdict, learning: str = "") -> Verdict:
    """The stricter of what a task's bundle says of an image and what is said of it beside its protocol's past.

    Where they are equally strict the task's action and cause stand. Both tell their reasons; that the past is still
    ``learning`` is none.
    """
    reasons = tuple(one for one in own_past.reasons if one != learning and one not in task.reasons)
    wording = (*task.wording, *(one for one in own_past.wording if one not in task.wording))
    if _STRICTNESS.index(own_past.state) <= _STRICTNESS.index(task.state):
        return replace(task, reasons=(*task.reasons, *reasons), wording=wording)
    return replace(own_past, reasons=(*reasons, *task.reasons), rating=task.rating, wording=wording)


def _accepted(action: Phrase | str, reasons: tuple[str, ...]) -> Verdict:
    told = wording(action)
    return Verdict(state=State.ACCEPT, action=str(action), reasons=reasons, wording=told)


def learning_of(said: str) -> Phrase | str:
    """How far the past is, as it is recorded: such as "learning (3 of 20)"."""
    numbers = re.fullmatch(r"learning \((\d+) of (\d+)\)", said)
    return Phrase("learning ({} of {})", numbers.groups()) if numbers else said


def _beginning(text: Phrase | str) -> Phrase | str:
    """The same as the beginning of a sentence."""
    if isinstance(text, Phrase) and text.template.startswith("{}"):
        return Phrase(text.template, (_beginning(text.values[0]), *text.values[1:]))
    if isinstance(text, Phrase):
        return Phrase(text.template[:1].upper() + text.template[1:], text.values)
    return text[:1].upper() + text[1:]


def _likely(assessment: Assessment, certain: float) -> str | None:
    """The cause that is plain: of a probability of ``certain`` at least."""
    cause = max(assessment.presence, key=lambda one: assessment.presence[one], default=None)
    return cause if cause and assessment.presence[cause] >= certain else None


def _unusual(assessment: Assessment, past: Past) -> list[Measure]:
    """The measures that are out of their usual range, the furthest first; what could not be measured has no measure."""
    beside = [one for one in assessment.measures if one.name in past.signals and not one.at and one.score is not None]
    return sorted((one for one in beside if _score(one) > USUAL), key=_score, reverse=True)[:_NAMED]


def _score(measure: Measure) -> float:
    return inf if measure.score is None else measure.score


def _said(measure: Measure, compared: Compared, assessment: Assessment) -> Phrase:
    """Such as "background 3.1 times its usual at slice 4: noise"."""
    median = measure.median if measure.median is not None else measure.value
    hint = "" if isnan(measure.value) else compared.higher if measure.value > median else compared.lower
    said = Phrase("{} {}", (compared.word, _how_far(measure, median, compared)))
    for place, number in _places(compared, assessment):
        said = Phrase(place, (said, number))
    return Phrase("{}: {}", (said, hint)) if hint else said


def _how_far(measure: Measure, median: float, compared: Compared) -> Phrase | str:
    if isnan(measure.value):
        return "cannot be measured, unlike in its past"
    if compared.ratio and median > 0:
        times = measure.value / median
        return Phrase("{} times its usual", (f"{times:.3g}" if 0.9 < times < 1.1 else f"{times:.2g}",))  # noqa: PLR2004
    return Phrase("{}, usually {}", (f"{measure.value:.2g}", f"{median:.2g}"))


def _places(compared: Compared, assessment: Assessment) -> Iterator[tuple[str, str]]:
    """The slice and the volume it is in, counted from 1, each with how it is said."""
    known = {measure.name: measure.value for measure in assessment.measures}
    for place, name in (("{} at slice {}", compared.at), ("{} at volume {}", compared.at_volume)):
        if name in known:
            yield place, f"{known[name] + 1:.0f}"
