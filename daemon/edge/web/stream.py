"""The page's live stream: server-sent events, each a whole snapshot of what one page shows."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from daemon.core.people.access import Deed
from daemon.edge.web.access import Login
from daemon.edge.web.sources import Sources
from daemon.edge.web.view import EARLIER_MAX, Scope, Shown, render_snapshot

#: The board is asked this often whether a card has changed.
TICK_S = 0.25
#: A stream says something at least this often; the page calls the connection lost after a little more than twice.
BEAT_S = 5.0
STREAMS_MAX = 256
#: Scopes whose last snapshot is kept: every scanner, and the exams that somebody looks at.
_KEPT_MAX: Final = 64
_FRESH_S: Final = 0.2


class _Snapshot(NamedTuple):
    version: int
    at: float
    text: str


class Streams:
    """Snapshots and streams of them; pages that show the same share one snapshot, and all share each look at the board.

    ``told``: what is told with each besides.
    """

    def __init__(self, sources: Sources, stopping: threading.Event, told: Mapping[str, Any], login: Login) -> None:
        self._login = login
        self._board = sources.board
        self._ready = sources.ready
        self._notices = sources.notices
        self._stopping = stopping
        self._told = told
        self._translation = sources.translation
        self._streams = 0
        self._look: asyncio.Future[int] | None = None
        self._kept: dict[Scope, _Snapshot] = {}
        self._lock = threading.Lock()

    async def snapshot(self, request: Request) -> Response:
        """What a page shows, once."""
        scope = _scope(request)
        await self._note(request)
        return Response(await asyncio.to_thread(self._render, scope, None), media_type="application/json")

    async def events(self, request: Request) -> Response:
        """Server-sent events (WHATWG HTML, 9.2): each message is a whole snapshot."""
        if self._streams >= STREAMS_MAX:
            return PlainTextResponse("too many pages are open\n", 503, {"Retry-After": "10"})
        await self._note(request)
        return StreamingResponse(self._messages(_scope(request)), media_type="text/event-stream")

    async def _messages(self, scope: Scope) -> AsyncIterator[str]:
        self._streams += 1
        try:
            version, shown, due = await self._version(), -1, 0.0
            while not self._stopping.is_set():
                if version != shown or time.monotonic() >= due:
                    yield f"retry: 2000\ndata: {await asyncio.to_thread(self._render, scope, version)}\n\n"
                    shown, due = version, time.monotonic() + BEAT_S
                version = await self._next_version()
        finally:
            self._streams -= 1

    async def _next_version(self) -> int:
        """The board's version at the next look; every stream waits for the same."""
        if self._look is None or self._look.done():
            self._look = asyncio.ensure_future(self._looked())
        return await asyncio.shield(self._look)

    async def _looked(self) -> int:
        await asyncio.sleep(TICK_S)
        return await self._version()

    async def _version(self) -> int:
        return await asyncio.to_thread(self._board.version)  # a database may be slow to answer, or gone

    async def _note(self, request: Request) -> None:
        scope = _scope(request)
        shown = f"exam {scope.exam}" if scope.exam else f"scanner {scope.scanner}" if scope.scanner else "all scanners"
        await self._login.note(request, Deed.SAW, shown)

    def _render(self, scope: Scope, version: int | None) -> str:
        with self._lock:
            kept = self._kept.get(scope)
            if kept and kept.version == version and time.monotonic() - kept.at < _FRESH_S:
                return kept.text
            text = self._rendered(scope)
            if version is not None:
                if len(self._kept) >= _KEPT_MAX:
                    self._kept.clear()
                self._kept[scope] = _Snapshot(version, time.monotonic(), text)
            return text

    def _rendered(self, scope: Scope) -> str:
        told = {"obstacles": self._ready(), "notices": self._notices()}
        shown = replace(self._shown(scope), translation=self._translation)
        return render_snapshot(shown, now=time.time(), page=self._told, **told)

    def _shown(self, scope: Scope) -> Shown:
        if scope.exam:
            view = self._board.exam(scope.exam)
            return Shown(views=[view] if view else [], whole=True)
        if scope.scanner:
            view = self._board.scanner(scope.scanner)
            earlier = self._board.earlier(scope.scanner, EARLIER_MAX)
            return Shown(views=[view] if view else [], whole=True, earlier=earlier)
        current = self._board.current()
        return Shown(views=current, whole=len(current) == 1)


def _scope(request: Request) -> Scope:
    asked = request.query_params
    return Scope(scanner=asked.get("scanner", "")[:64], exam=asked.get("exam", "")[:64])
