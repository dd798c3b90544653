"""What the page is told: the cards in the order in which they matter, as one JSON text."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from daemon.core.card import Card
from daemon.core.values import State

CARDS_MAX = 40
#: After this time nobody lies in the scanner any more who could be scanned again.
ATTENTION_S = 30 * 60.0


def render_snapshot(
    cards: Sequence[Card], *, now: float, obstacles: Sequence[str], notices: Sequence[str] = (), page: str
) -> str:
    """Everything that the page shows, at one moment.

    Args:
        cards: Newest first; each is written with the field names of ``Card``.
        now: The daemon's clock, UTC seconds: the page tells ages by it, whatever the console's clock says.
        obstacles: Why series are not being judged; empty when all is well.
        notices: What somebody should know besides.
        page: A token of the page's own files: one that runs for months loads itself again after an upgrade.
    """
    shown = [asdict(card) for card in arrange(cards, now)]
    told = {"obstacles": list(obstacles), "notices": list(notices)}
    snapshot = {"now": now, "page": page, **told, "cards": shown}
    return json.dumps(snapshot, allow_nan=False, separators=(",", ":"))


def arrange(cards: Sequence[Card], now: float) -> list[Card]:
    """Rescans that still call for somebody first, then the newest first."""
    newest_first = sorted(cards, key=lambda card: card.received_at, reverse=True)
    return sorted(newest_first, key=lambda card: not _calls(card, newest_first, now))


def _calls(card: Card, cards: Sequence[Card], now: float) -> bool:
    """A rescan calls until it is overtaken, repeated (the same protocol was answered later), or too late."""
    if _standing(card) is not State.RESCAN or now - card.received_at > ATTENTION_S:
        return False
    return not any(_repeats(other, card) for other in cards)


def _repeats(later: Card, earlier: Card) -> bool:
    same = (later.scanner, later.description) == (earlier.scanner, earlier.description)
    return same and later.received_at > earlier.received_at and _standing(later) is not None


def _standing(card: Card) -> State | None:
    """The verdict that holds: none yet, or none any more."""
    return None if card.verdict is None or card.superseded else card.verdict.state
