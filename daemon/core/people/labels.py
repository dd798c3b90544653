"""What people answered to verdicts: labels for training, and how often a rescan was rightly asked for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Final

from daemon.core.people.card import Choice
from daemon.core.people.replay import CONFIRMING, Recorded
from daemon.core.values import State

_Z: Final = 1.96  # 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """Of the answered rescans of one cause, scanner and protocol, how many were confirmed.

    Confirmed are those repeated, or not possible to repeat; accepted as is and wrong calls count against. ``interval``:
    95 % (Wilson 1927).
    """

    cause: str
    scanner: str
    protocol: str
    answered: int
    confirmed: int
    asked: int

    @property
    def share(self) -> float | None:
        """None where nobody answered."""
        return self.confirmed / self.answered if self.answered else None

    @property
    def interval(self) -> tuple[float, float]:
        """All of it where nobody answered."""
        n = self.answered
        if not n:
            return 0.0, 1.0
        share, spread = self.confirmed / n, _Z**2 / n
        middle = (share + spread / 2) / (1 + spread)
        half = _Z / (1 + spread) * sqrt(share * (1 - share) / n + spread / (4 * n))
        return max(0.0, middle - half), min(1.0, middle + half)


def precisions(recorded: Iterable[Recorded]) -> Iterator[Precision]:
    """One of each cause, scanner and protocol, in order."""
    groups: dict[tuple[str, str, str], list[Recorded]] = {}
    for one in recorded:
        if one.verdict.state is State.RESCAN:
            groups.setdefault((one.verdict.cause or "", one.scanner, one.protocol), []).append(one)
    for (cause, scanner, protocol), ones in sorted(groups.items()):
        choices = [one.answer.choice for one in ones if one.answer and one.answer.state is State.RESCAN]
        confirmed = sum(choice in CONFIRMING for choice in choices)
        yield Precision(
            cause=cause,
            scanner=scanner,
            protocol=protocol,
            answered=len(choices),
            confirmed=confirmed,
            asked=len(ones),
        )


def good_after_all(recorded: Iterable[Recorded]) -> frozenset[str]:
    """Cards of which a person said that nothing was wrong: references, whatever their verdict."""
    return frozenset(one.card_id for one in recorded if one.answer and one.answer.choice is Choice.WRONG)


def spoilt_after_all(recorded: Iterable[Recorded]) -> frozenset[str]:
    """Cards of which a person said that they had to be repeated: no references, whatever their verdict."""
    return frozenset(one.card_id for one in recorded if one.answer and one.answer.choice in CONFIRMING)
