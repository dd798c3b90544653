"""What people made of the verdicts, as metrics: answers, how often a rescan was right, repeats; what waits for people.

Numbers of the last 90 days, from the database, so that they outlive a restart. Protocols are words of headers, and so
no label: ``scanside export-labels --precision`` tells by protocol.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from daemon.core.people.replay import CONFIRMING, Recorded
from daemon.core.values import State
from daemon.edge.database.answers import Answers
from daemon.edge.database.trends.calls import Calls
from daemon.edge.database.trends.repeats import judged_with_rescans, repeats
from daemon.edge.telemetry.metrics import OTHER_SCANNER, cause_label

PERIOD_S: Final = 90 * 86_400.0
#: The values of a sample's labels.
Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one look found; keys are the values of the labels."""

    answers: Mapping[Labels, float]
    answered: Mapping[Labels, float]
    confirmed: Mapping[Labels, float]
    repeated: Mapping[Labels, float]
    learned: Mapping[str, float]
    calls: Mapping[Labels, float]


class Feedback(Collector):
    """Looks now and then, and tells Prometheus what it saw last.

    ``scanners``: calling AE title -> alias; ``references``: bundle -> the file of the site's own references.
    """

    def __init__(self, engine: sa.Engine, scanners: Mapping[str, str], references: Mapping[str, Path]) -> None:
        self._engine = engine
        self._scanners = scanners
        self._references = references
        self._lock = threading.Lock()
        self._found = Found(answers={}, answered={}, confirmed={}, repeated={}, learned={}, calls={})

    def look(self, now: float) -> None:
        """Take one look at the last 90 days."""
        recorded = [one for one in Answers(self._engine).answered(now - PERIOD_S) if one.answer]
        rescans = [one for one in recorded if one.answer and one.answer.state is State.RESCAN]
        right = [one for one in rescans if one.answer and one.answer.choice in CONFIRMING]
        pairs = [pair for exam in judged_with_rescans(self._engine, now - PERIOD_S) for pair in repeats(exam)]
        calls = Counter(call.scanner for call in Calls(self._engine).standing())
        found = Found(
            answers=_count(self._answer(one) for one in recorded),
            answered=_count(self._cause(one) for one in rescans),
            confirmed=_count(self._cause(one) for one in right),
            repeated=_count((self._alias(one.scanner), again.state.value) for one, again in pairs),
            calls={(name,): float(calls[name]) for name in {*self._scanners.values(), *calls}},
            learned={name: _learned(path) for name, path in self._references.items()},
        )
        with self._lock:
            self._found = found

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """As Prometheus asks for it."""
        with self._lock:
            found = self._found
        share = {key: found.confirmed.get(key, 0) / count for key, count in found.answered.items()}
        yield _family("answers", "Answers of the last 90 days that hold.", _ANSWER, found.answers)
        yield _family("rescans_answered", "RESCANs of the last 90 days with an answer.", _CAUSE, found.answered)
        yield _family("rescan_precision_ratio", "Share of answered RESCANs that were confirmed.", _CAUSE, share)
        yield _family("repeats", "Repeats of RESCANs in 90 days, by their own verdict.", _REPEAT, found.repeated)
        yield _family("service_calls", "Calls for service that nobody has seen to yet.", ("scanner",), found.calls)
        yield _family(
            "references_learned_timestamp_seconds",
            "When a bundle's references were learned at this site; 0: never.",
            ("bundle",),
            {(name,): at for name, at in found.learned.items()},
        )

    def _answer(self, one: Recorded) -> Labels:
        assert one.answer is not None  # noqa: S101 - look took those alone
        return self._alias(one.scanner), one.answer.state.value, one.answer.choice.value

    def _cause(self, one: Recorded) -> Labels:
        return self._alias(one.scanner), cause_label(one.verdict.cause)

    def _alias(self, calling_ae: str) -> str:
        return self._scanners.get(calling_ae, OTHER_SCANNER)


_ANSWER: Final = ("scanner", "verdict", "choice")
_CAUSE: Final = ("scanner", "cause")
_REPEAT: Final = ("scanner", "verdict")


def _count(keys: Iterable[Labels]) -> Mapping[Labels, float]:
    return {key: float(count) for key, count in Counter(keys).items()}


def _family(name: str, words: str, labels: Labels, values: Mapping[Labels, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"scanside_{name}", words, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _learned(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0
