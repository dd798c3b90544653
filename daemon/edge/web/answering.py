"""A person's answer to a verdict, taken over HTTP."""

import asyncio
import time
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from daemon.core.people.access import Deed, Role
from daemon.core.people.card import Answer, Choice
from daemon.core.ports import AnswerBook
from daemon.edge.web.access import Login

_REASON_MAX: Final = 200
_REVISION_MAX: Final = 1_000_000


class Answering:
    """Keeps answers to the verdicts of cards; ``login`` says who gives them."""

    def __init__(self, answers: AnswerBook, login: Login) -> None:
        self._answers = answers
        self._login = login

    async def answer(self, request: Request) -> Response:
        """Keep an answer: ``{"choice": ..., "revision": 1, "reason": ""}``; no choice takes it back."""
        if refusal := await self._login.refuse(request, Role.RADIOGRAPHER):
            return refusal
        card_id = request.path_params["card_id"]
        try:
            choice, revision, reason = _asked(await request.json())
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return PlainTextResponse("choose one of the answers\n", 400)
        by = request.scope["visitor"].name
        keep = partial(self._keep, card_id, choice, revision, by=by, reason=reason)
        if not await asyncio.to_thread(keep):
            return PlainTextResponse("no such card\n", 404)
        await self._login.note(request, Deed.ANSWERED if choice else Deed.TOOK_BACK, card_id)
        return JSONResponse({"kept": True})

    def _keep(self, card_id: str, choice: Choice | None, revision: int, *, by: str, reason: str) -> bool:
        state = self._answers.judged(card_id, revision)
        if state is None:
            return False
        answer = Answer(choice=choice or Choice.WRONG, state=state, reason=reason, by=by, at=time.time())
        keep = self._answers.give if choice else self._answers.take_back
        keep(card_id, revision, answer)
        return True


def _asked(sent: Any) -> tuple[Choice | None, int, str]:  # noqa: ANN401 - JSON
    choice = sent["choice"]
    revision, reason = sent["revision"], sent.get("reason", "")
    if not isinstance(revision, int) or not 0 < revision < _REVISION_MAX or not isinstance(reason, str):
        raise ValueError("revision or reason")
    plain = "".join(letter for letter in reason if letter.isprintable())[:_REASON_MAX]
    return (None if choice is None else Choice(choice)), revision, plain
