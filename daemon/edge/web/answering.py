"""A person's answer to a verdict, taken over HTTP."""

import asyncio
import re
import secrets
import time
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from daemon.core.card import Answer, Choice
from daemon.core.ports import AnswerBook
from daemon.edge.web.guards import is_same_site

#: The header in which a page of ours says the token that only our own pages can read.
CSRF_HEADER: Final = "x-scanside-token"
_CARD_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_REASON_MAX: Final = 200
_REVISION_MAX: Final = 1_000_000


class Answering:
    """Keeps answers to the verdicts of cards.

    Attributes:
        token: What pages are told, and send with every answer: another site's page cannot read it.
    """

    def __init__(self, answers: AnswerBook) -> None:
        self._answers = answers
        self.token = secrets.token_urlsafe(24)

    async def answer(self, request: Request) -> Response:
        """Keep an answer: ``{"choice": ..., "revision": 1, "reason": ""}``; no choice takes it back."""
        if not is_same_site(request.headers) or not self._is_ours(request):
            return PlainTextResponse("answer from the page itself: load it again\n", 403)
        card_id = request.path_params["card_id"]
        try:
            asked = _asked(await request.json())
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return PlainTextResponse("choose one of the answers\n", 400)
        known = bool(_CARD_ID.fullmatch(card_id)) and await asyncio.to_thread(self._keep, card_id, *asked)
        return JSONResponse({"kept": True}) if known else PlainTextResponse("no such card\n", 404)

    def _is_ours(self, request: Request) -> bool:
        return secrets.compare_digest(request.headers.get(CSRF_HEADER, "").encode(), self.token.encode())

    def _keep(self, card_id: str, choice: Choice | None, revision: int, reason: str) -> bool:
        by, at = "console", time.time()
        state = self._answers.judged(card_id, revision)
        if state is None:
            return False
        if choice is None:
            taken_back = Answer(choice=Choice.WRONG, state=state, reason="", by=by, at=at)
            self._answers.take_back(card_id, revision, taken_back)
        else:
            self._answers.give(card_id, revision, Answer(choice=choice, state=state, reason=reason, by=by, at=at))
        return True


def _asked(sent: Any) -> tuple[Choice | None, int, str]:  # noqa: ANN401 - JSON
    choice = sent["choice"]
    revision, reason = sent["revision"], sent.get("reason", "")
    if not isinstance(revision, int) or not 0 < revision < _REVISION_MAX or not isinstance(reason, str):
        raise ValueError("revision or reason")
    plain = "".join(letter for letter in reason if letter.isprintable())[:_REASON_MAX]
    return (None if choice is None else Choice(choice)), revision, plain
