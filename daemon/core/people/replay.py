"""What other thresholds would have said of series that were judged before, from what is recorded of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

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


def replay(recorded: Recorded, manifest: Manifest, changes: Mapping[str, float]) -> Replayed | None:
    """The verdict under changed thresholds of the manifest (by the names of ``Thresholds``); None where none was made.

    Without changes it is the recorded one, bit for bit. The levels of p-values change as alpha does; the limits that
    are told with them, and what a series was compared with, stay as they were.
    """
    if recorded.assessment is None:
        return None
    limits = replace(manifest.thresholds, **changes)
    old = manifest.thresholds
    shares = {False: _share(limits.alpha, old.alpha), True: _share(limits.unfamiliar, old.unfamiliar)}
    measures = [_levelled(one, shares[one.evidence is Evidence.FAMILIARITY]) for one in recorded.assessment.measures]
    assessment = replace(recorded.assessment, measures=tuple(measures))
    remark = _remark(recorded, manifest)
    verdict = decide(assessment, replace(manifest, thresholds=limits), remark)
    return Replayed(recorded=recorded, verdict=verdict)


def tally(replayed: Iterable[Replayed]) -> Counter[tuple[State, State, str]]:
    """How many, by recorded verdict, replayed verdict and the answer to the recorded one (``""`` for none)."""
    return Counter(
        (one.recorded.verdict.state, one.verdict.state, one.recorded.answer.choice if one.recorded.answer else "")
        for one in replayed
    )


def _levelled(measure: Measure, share: float) -> Measure:
    if measure.level is None or share == 1.0:
        return measure
    return replace(measure, level=measure.level * share)


def _share(new: float, old: float) -> float:
    return new / old if new != old else 1.0


def _remark(recorded: Recorded, manifest: Manifest) -> str:
    """What was told of how the images were read: the reason that the thresholds do not explain."""
    assert recorded.assessment is not None  # noqa: S101 - replay looked
    explained = decide(recorded.assessment, manifest).reasons
    told = recorded.verdict.reasons
    return told[-1] if len(told) == len(explained) + 1 and told[:-1] == explained else ""
