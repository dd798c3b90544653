"""Judged series -> references: which of them count, and what the cells they fall into are good for."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from daemon.core.judging.reference import Cell, References, fewest, level_of, size
from daemon.core.judging.rule import Rule
from daemon.core.people.card import Choice, is_rejection
from daemon.core.values import State
from models.manifest import Manifest

#: Verdicts whose series count as references. REVIEW does: a reference that lost what was merely unusual would have
#: tighter limits, which would call more of the next series unusual, and so on at every turn. RESCAN never does: an
#: artefact is there and the task suffers, unless a person answered that the call was wrong.
ACCEPTED = frozenset({State.ACCEPT, State.REVIEW})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The newest verdict of one complete series. ``bundle``: digest of the one that judged it, "" if not recorded.

    ``choice``: what a person answered to this verdict. ``scanner`` is the calling AE title; ``scores``: measure ->
    value, empty where nothing was assessed.
    """

    series_instance_uid: str
    scanner: str
    protocol: str
    bundle: str
    state: State
    scores: Mapping[str, float]
    choice: Choice | None = None


class LeftOut(StrEnum):
    """Why a series is no reference; the first that applies."""

    VERDICT = "its verdict"
    BUNDLE = "another bundle judged it"
    REJECTED = "a person rejected it"
    ANSWERED = "its answer says that it was not good"
    NO_NUMBER = "a score is no number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which series count: those of ``states``, but for the series UIDs ``rejected`` by a person."""

    states: Collection[State] = ACCEPTED
    rejected: Collection[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What one cell is good for.

    ``smallest_rate``: the smallest share of false alarms, over all signals together, that so many references allow,
    None under a rule that promises none; ``used_by``: what its series are compared with, ``protocol``, ``scanner`` or
    ``manifest``; ``missing``: how many more the cell needs; ``scanner_missing``: the same of its whole scanner.
    """

    scanner: str
    protocol: str
    count: int
    smallest_rate: float | None
    used_by: str
    missing: int
    scanner_missing: int


def learn(
    series: Iterable[Scored], manifest: Manifest, bundle: str, selection: Selection, made_at: float
) -> tuple[References, Mapping[LeftOut, int]]:
    """The references of one bundle from judged series, and how many of these were left out, by reason."""
    signals = manifest.compared
    cells: defaultdict[tuple[str, str], list[Scored]] = defaultdict(list)
    left_out: Counter[LeftOut] = Counter()
    for one in series:
        reason = _reason(one, signals, bundle, selection)
        if reason is None:
            cells[one.scanner, one.protocol].append(one)
        else:
            left_out[reason] += 1
    learnt = (_cell(scanner, protocol, cells[scanner, protocol], signals) for scanner, protocol in sorted(cells))
    return References(bundle=bundle, made_at=made_at, cells=tuple(learnt)), left_out


def coverage(references: References, manifest: Manifest, rule: Rule = Rule.CONFORMAL) -> tuple[Coverage, ...]:
    """One line a cell, in order."""
    needed = fewest(level_of(manifest), rule)
    signals = len(manifest.compared) if rule is Rule.CONFORMAL else None
    return tuple(
        _coverage(cell, size(references.of_scanner(cell.scanner)), needed, signals) for cell in references.cells
    )


def _coverage(cell: Cell, of_scanner: int, needed: int, signals: int | None) -> Coverage:
    return Coverage(
        scanner=cell.scanner,
        protocol=cell.protocol,
        count=cell.count,
        smallest_rate=None if signals is None else min(1.0, signals / (cell.count + 1)),
        used_by="protocol" if cell.count >= needed else "scanner" if of_scanner >= needed else "manifest",
        missing=max(0, needed - cell.count),
        scanner_missing=max(0, needed - of_scanner),
    )


def _reason(one: Scored, signals: tuple[str, ...], bundle: str, selection: Selection) -> LeftOut | None:
    if one.state not in selection.states and not _is_wrong_call(one):
        return LeftOut.VERDICT
    if one.bundle != bundle:
        return LeftOut.BUNDLE
    if one.series_instance_uid in selection.rejected:
        return LeftOut.REJECTED
    if one.choice is not None and is_rejection(one.choice, one.state):
        return LeftOut.ANSWERED
    if not all(isfinite(one.scores.get(signal, float("nan"))) for signal in signals):
        return LeftOut.NO_NUMBER
    return None


def _is_wrong_call(one: Scored) -> bool:
    """Whether a person said that the images which were to be repeated are good: they count as such."""
    return one.state is State.RESCAN and one.choice is Choice.WRONG


def _cell(scanner: str, protocol: str, members: Iterable[Scored], signals: tuple[str, ...]) -> Cell:
    held = tuple(members)
    scores = {signal: tuple(sorted(one.scores[signal] for one in held)) for signal in signals}
    return Cell(scanner=scanner, protocol=protocol, scores=scores)
