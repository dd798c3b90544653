"""What other thresholds would have said of series that were judged before, from what is recorded of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from daemon.core.judging.unusual import beside_own_past
from daemon.core.judging.verdict import decide
from daemon.core.measures import Assessment, Measure
from daemon.core.people.card import Answer, Choice
from daemon.core.values import State, Verdict
from models.findings import Evidence
from models.manifest import Manifest

#: Answers that say a rescan was rightly asked for.
CONFIRMING = frozenset({Choice.REPEATED, Choice.NOT_POSSIBLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One judged series: ``digest`` of the bundle that judged it, ``answer`` where a person gave one."""

    card_id: str
    scanner: str
    protocol: str
    digest: str
    verdict: Verdict
    assessment: Assessment | None
    judged_at: float
    answer: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A recorded verdict beside the one that other thresholds give."""

    recorded: Recorded
    verdict: Verdict


def replay(recorded: Recorded, manifests: Mapping[str, Manifest], changes: Mapping[str, float]) -> Replayed | None:
    """The verdict under changed thresholds (by the names of ``Thresholds``); None where none can be given.

    ``manifests``: by digest. Without changes it is the recorded one, bit for bit. The levels of p-values change as
    alpha does; the limits that are told with them, and what a series was compared with, stay as they were.
    """
    assessment = recorded.assessment
    judged = {recorded.digest, *([assessment.own_past.bundle] if assessment and assessment.own_past else [])}
    if assessment is None or not judged <= set(manifests):
        return None
    then, now = (_decided(recorded, assessment, manifests, what) for what in ({}, changes))
    told = recorded.verdict.reasons
    if now == then and set(then.reasons) <= set(told):
        return Replayed(recorded=recorded, verdict=replace(then, reasons=told))
    further = tuple(reason for reason in told if reason not in then.reasons)
    return Replayed(recorded=recorded, verdict=replace(now, reasons=(*now.reasons, *further)))


def tally(replayed: Iterable[Replayed]) -> Counter[tuple[State, State, str]]:
    """How many, by recorded verdict, replayed verdict and the answer to the recorded one (``""`` for none)."""
    return Counter(
        (one.recorded.verdict.state, one.verdict.state, one.recorded.answer.choice if one.recorded.answer else "")
        for one in replayed
    )


def _decided(
    recorded: Recorded, assessment: Assessment, manifests: Mapping[str, Manifest], changes: Mapping[str, float]
) -> Verdict:
    """What is said of the numbers alone, without what was told of how the images were read."""
    verdict = _changed(assessment, manifests[recorded.digest], changes)
    if (beside := assessment.own_past) is None:
        return verdict
    own_past = _changed(beside.assessment, manifests[beside.bundle], changes)
    return beside_own_past(verdict, own_past, beside.assessment.learning)


def _changed(assessment: Assessment, manifest: Manifest, changes: Mapping[str, float]) -> Verdict:
    old = manifest.thresholds
    limits = replace(old, **changes)
    shares = {False: _share(limits.alpha, old.alpha), True: _share(limits.unfamiliar, old.unfamiliar)}
    measures = [_levelled(one, shares[one.evidence is Evidence.FAMILIARITY]) for one in assessment.measures]
    return decide(replace(assessment, measures=tuple(measures)), replace(manifest, thresholds=limits))


def _levelled(measure: Measure, share: float) -> Measure:
    if measure.level is None or share == 1.0:
        return measure
    return replace(measure, level=measure.level * share)


def _share(new: float, old: float) -> float:
    return new / old if new != old else 1.0
