"""What the page is told: exams and their cards in the order in which they matter, as one JSON text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from daemon.core.people.card import Card
from daemon.core.people.exams import ExamView
from daemon.core.people.translation import Translation

#: Of each scanner the wall of all shows what calls for somebody, and so many more.
NEWEST_MAX = 3
#: Earlier exams of a scanner on its page.
EARLIER_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a page shows: one exam, one scanner, or, where both are empty, the wall of all."""

    scanner: str = ""
    exam: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The exams that a page shows, whole or not, and the exams of its scanner before.

    ``translation``: of what verdicts say.
    """

    views: Sequence[ExamView]
    whole: bool
    earlier: Sequence[ExamView] = ()
    translation: Translation = field(default_factory=Translation)


def render_snapshot(
    shown: Shown,
    *,
    now: float,
    obstacles: Sequence[str],
    notices: Sequence[str] = (),
    page: Mapping[str, Any],
) -> str:
    """Everything that the page shows, at one moment.

    Args:
        shown: Cards are written with the field names of ``Card``.
        now: The daemon's clock, UTC seconds: the page tells ages by it, whatever the console's clock says.
        obstacles: Why series are not being judged; empty when all is well.
        notices: What somebody should know besides.
        page: What else the page goes by. ``page``: a token of its own files: one that runs for months loads itself
            again after an upgrade.
    """
    snapshot = {
        "now": now,
        **page,
        "obstacles": list(obstacles),
        "notices": list(notices),
        "exams": [_exam(view, whole=shown.whole) for view in shown.views],
        "cards": [_card(card, shown.translation) for view in shown.views for card in _told(view, whole=shown.whole)],
        "earlier": [_exam(view, whole=False) for view in shown.earlier],
    }
    return json.dumps(snapshot, allow_nan=False, separators=(",", ":"))


def _card(card: Card, translation: Translation) -> dict[str, Any]:
    verdict = translation.verdict(card.verdict) if card.verdict else None
    return asdict(replace(card, verdict=verdict))


def _exam(view: ExamView, *, whole: bool) -> dict[str, Any]:
    return {
        **asdict(view.exam),
        "series": len(view.cards) + sum(quiet.series for quiet in view.quiet),
        "more": len(view.cards) - len(_told(view, whole=whole)),
        "quiet": [asdict(quiet) for quiet in view.quiet],
        "missing": list(view.listed.missing),
        "extra": list(view.listed.extra),
        "verdicts": [card.verdict.state for card in view.cards if card.verdict and not card.superseded],
        "unanswered": sum(
            card.verdict is not None
            and card.verdict.state == "RESCAN"
            and not (card.superseded or card.answer or card.repeat)
            for card in view.cards
        ),
    }


def _told(view: ExamView, *, whole: bool) -> Sequence[Card]:
    """All of the cards, or those that call for somebody and the newest others."""
    if whole:
        return view.cards
    calling = [card for card in view.cards if card.calls]
    return [*calling, *[card for card in view.cards if not card.calls][:NEWEST_MAX]]
