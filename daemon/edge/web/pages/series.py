"""One series step by step, as JSON for its page; what a person lets be done with it; a case of it for support."""

import asyncio
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from daemon.core.people.access import Deed, Role
from daemon.core.people.history import History, Step, case_of, numbers_of
from daemon.core.people.translation import Translation
from daemon.edge.web.access import Login
from daemon.edge.web.pages.answers import told
from daemon.edge.web.sources import Rooms

_MISSING: Final = "no such series, or no image of it was closed over yet"
_LETTER: Final = """A case of Scanside for support.

case.json: numbers beside their references, versions, and what happened when, in seconds from the first image.
There is no name, no UID, no date and nothing that a person wrote in it.
slices/: only where they were asked for. A face can be recognised in the slices of a head: send them as such.
"""


class SeriesPage:
    """What the page of a series shows, and takes; ``translation``: of what verdicts say."""

    def __init__(self, rooms: Rooms, login: Login, translation: Translation) -> None:
        self._histories = rooms.histories
        self._deeds = rooms.deeds
        self._open_uid = rooms.open_uid
        self._login = login
        self._translation = translation

    async def history(self, request: Request) -> Response:
        """Its timeline and its numbers."""
        card_id = request.query_params.get("card", "")[:64]
        await self._login.note(request, Deed.SAW, f"series {card_id}")
        return await told(lambda: self._shown(card_id), _MISSING)

    async def complete(self, request: Request) -> Response:
        """No more images are waited for."""

        def complete(card_id: str) -> str:
            uid = self._open_uid(card_id)
            if uid is None:
                return "the series is not being received"
            self._deeds.complete(uid)
            return ""

        return await self._do(request, Deed.COMPLETED, complete)

    async def again(self, request: Request) -> Response:
        """It is judged once more, under the next revision; not without its images."""

        def again(card_id: str) -> str:
            uid = self._histories.uid(card_id)
            if uid is None or self._open_uid(card_id):
                return "the series is still being received"
            if not self._deeds.is_there(uid):
                return "its images are no longer kept"
            self._deeds.again(uid)
            return ""

        return await self._do(request, Deed.REPROCESSED, again)

    async def resend(self, request: Request) -> Response:
        """Its report objects are delivered once more."""

        def resend(card_id: str) -> str:
            uid = self._histories.uid(card_id)
            return "" if uid and self._deeds.resend(uid) else "nothing of it was delivered, or its files are not kept"

        return await self._do(request, Deed.RESENT, resend)

    async def slices(self, request: Request) -> Response:
        """How many slices can be shown, and whether something is drawn over them."""
        count = await asyncio.to_thread(self._with_uid, request, self._deeds.slices)
        drawn = await asyncio.to_thread(self._with_uid, request, self._deeds.has_overlay)
        return JSONResponse({"slices": count or 0, "overlay": bool(drawn)})

    async def slice(self, request: Request) -> Response:
        """One slice as PNG."""
        return await self._picture(request, self._deeds.slice)

    async def overlay(self, request: Request) -> Response:
        """What is drawn over one slice, as PNG."""
        return await self._picture(request, self._deeds.overlay)

    async def case(self, request: Request) -> Response:
        """A case for support, as a ZIP file; ``?slices=1``: with the pictures of its slices."""
        if refusal := await self._login.refuse_role(request, Role.RADIOGRAPHER):
            return refusal
        card_id, wants_slices = request.path_params["card_id"], request.query_params.get("slices") == "1"
        packed = await asyncio.to_thread(self._packed, card_id, wants_slices=wants_slices)
        if packed is None:
            return PlainTextResponse(f"{_MISSING}\n", 404)
        await self._login.note(request, Deed.EXPORTED, f"case {card_id}{' with slices' if wants_slices else ''}")
        disposition = {"Content-Disposition": f'attachment; filename="scanside-case-{card_id}.zip"'}
        return Response(packed, media_type="application/zip", headers=disposition)

    async def _do(self, request: Request, deed: Deed, act: Callable[[str], str]) -> Response:
        """Do it, if this visitor may; ``act`` says why it cannot be done, empty where it was."""
        if refusal := await self._login.refuse(request, Role.RADIOGRAPHER):
            return refusal
        card_id = request.path_params["card_id"]
        if why := await asyncio.to_thread(act, card_id):
            return PlainTextResponse(f"{why}\n", 409)
        await self._login.note(request, deed, f"series {card_id}")
        return JSONResponse({"done": True})

    async def _picture(self, request: Request, draw: Callable[[str, int], bytes | None]) -> Response:
        number = request.path_params["number"]
        png = await asyncio.to_thread(self._with_uid, request, lambda uid: draw(uid, number))
        return Response(png, media_type="image/png") if png else PlainTextResponse("no such slice\n", 404)

    def _with_uid(self, request: Request, look: Callable[[str], Any]) -> Any:  # noqa: ANN401 - what it gives
        uid = self._histories.uid(request.path_params["card_id"])
        return look(uid) if uid else None

    def _packed(self, card_id: str, *, wants_slices: bool) -> bytes | None:
        history = self._histories.history(card_id)
        if history is None:
            return None
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("README.txt", _LETTER)
            file.writestr("case.json", json.dumps(case_of(history, version("scanside")), indent=1))
            uid = self._histories.uid(card_id)
            for number in range(self._deeds.slices(uid) if wants_slices and uid else 0):
                file.writestr(f"slices/{number:04}.png", self._deeds.slice(uid or "", number) or b"")
        return stream.getvalue()

    def _shown(self, card_id: str) -> dict[str, Any] | None:
        uid = self._open_uid(card_id)
        history = self._histories.history(card_id)
        if history is None and uid is not None:  # its first images are coming
            history = History(card_id=card_id, scanner="", protocol="", exam="", steps=(), events=())
        if history is None:
            return None
        return {
            "card": card_id,
            "scanner": history.scanner,
            "protocol": history.protocol,
            "exam": history.exam,
            "under_way": uid is not None,
            "is_there": self._deeds.is_there(self._histories.uid(card_id) or ""),
            "events": [asdict(event) for event in history.events],
            "steps": [_step(step, self._translation) for step in history.steps],
        }


def _step(step: Step, translation: Translation) -> dict[str, Any]:
    verdict, found = step.verdict, step.assessment
    beside = found.own_past.assessment if found and found.own_past else None
    compared = [one for one in (found, beside) if one is not None]
    return {
        "revision": step.revision,
        "images": step.images,
        "partial": step.partial,
        "closed_by": step.closed_by,
        "stage": step.stage,
        "verdict": asdict(translation.verdict(verdict)) if verdict else None,
        "bundle": step.bundle[:8],
        "software": step.software,
        "reference": "; ".join(one.reference for one in compared),
        "learning": "; ".join(one.learning for one in compared if one.learning),
        "remarks": [remark for one in compared for remark in one.remarks],
        "numbers": numbers_of(found),
    }
