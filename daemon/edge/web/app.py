"""The page's routes: static files, the cards as JSON and as a stream, pictures, metrics, health.

Everything is read-only and GET. The page's own files come from the package, nothing from another host, and nothing
that a scanner sent is ever written into HTML: the browser gets JSON and sets text.
"""

import asyncio
import hashlib
import re
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from importlib.resources import files

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.core.ports import Board
from daemon.edge.web.view import CARDS_MAX, render_snapshot

#: What keeps the daemon from judging series, in words for people; empty when it is ready.
Ready = Callable[[], Sequence[str]]

#: The board is asked this often whether a card has changed.
TICK_S = 0.25
#: A stream says something at least this often; the page calls the connection lost after a little more than twice.
BEAT_S = 5.0
STREAMS_MAX = 256

_OWN_NAMES = ("localhost", "127.0.0.1", "::1")
_CARD_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    # No inline script or style, no other host, no frame; Trusted Types makes innerHTML an error in the browser.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def make_app(
    board: Board, registry: CollectorRegistry, ready: Ready, notices: Ready, stopping: threading.Event
) -> ASGIApp:
    """The ASGI application; streams end when ``stopping`` is set."""
    page = _Page(board, ready, notices, stopping, _token())
    routes = [
        *(Route(path, _static(name, media_type)) for path, (name, media_type) in _FILES.items()),
        Route("/cards", page.cards),
        Route("/events", page.events),
        Route("/pictures/{card_id}.png", page.picture),
        Route("/metrics", _metrics_of(registry)),
        Route("/livez", page.live),
        Route("/readyz", page.readiness),
    ]
    return Starlette(routes=routes)


def make_metrics_app(registry: CollectorRegistry) -> ASGIApp:
    """The metrics alone, for a worker."""
    return Starlette(routes=[Route("/metrics", _metrics_of(registry))])


def guarded(app: ASGIApp, hosts: Collection[str]) -> ASGIApp:
    """Refuses requests with a body and requests to other hosts than these and this machine's own names.

    A foreign host is how a page of a stranger reads ours through a browser (DNS rebinding).
    """
    allowed = [f"[{host}]" if ":" in host else host for host in {*_OWN_NAMES, *hosts}]
    trusted = TrustedHostMiddleware(_Bodiless(app), allowed_hosts=allowed, www_redirect=False)
    return _SecurityHeaders(trusted)


@dataclass(slots=True)
class _Page:
    """What the routes share. Cards and pictures may lie on a disk: they are read in a thread, not in the loop."""

    board: Board
    ready: Ready
    notices: Ready
    stopping: threading.Event
    token: str
    streams: int = 0

    async def cards(self, _request: Request) -> Response:
        return Response(await asyncio.to_thread(self._snapshot), media_type="application/json")

    async def events(self, _request: Request) -> Response:
        """Server-sent events (WHATWG HTML, 9.2): each message is a whole snapshot."""
        if self.streams >= STREAMS_MAX:
            return PlainTextResponse("too many pages are open\n", 503, {"Retry-After": "10"})
        return StreamingResponse(self._messages(), media_type="text/event-stream")

    async def picture(self, request: Request) -> Response:
        card_id = request.path_params["card_id"]
        known = _CARD_ID.fullmatch(card_id)
        png = await asyncio.to_thread(self.board.picture, card_id) if known else None
        return Response(png, media_type="image/png") if png else PlainTextResponse("no such picture\n", 404)

    async def live(self, _request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readiness(self, _request: Request) -> Response:
        obstacles = await asyncio.to_thread(self.ready)
        lines = [*(obstacles or ["ready"]), *self.notices()]
        return PlainTextResponse("\n".join(lines) + "\n", 503 if obstacles else 200)

    async def _messages(self) -> AsyncIterator[str]:
        self.streams += 1
        try:
            shown, due = -1, 0.0
            while not self.stopping.is_set():
                version = await asyncio.to_thread(self.board.version)  # a database may be slow to answer, or gone
                if version != shown or time.monotonic() >= due:
                    yield f"retry: 2000\ndata: {await asyncio.to_thread(self._snapshot)}\n\n"
                    shown, due = version, time.monotonic() + BEAT_S
                await asyncio.sleep(TICK_S)
        finally:
            self.streams -= 1

    def _snapshot(self) -> str:
        cards = self.board.cards(CARDS_MAX)
        told = {"obstacles": self.ready(), "notices": self.notices()}
        return render_snapshot(cards, now=time.time(), page=self.token, **told)


class _Bodiless:
    """Refuses what brings a body: there is nothing to send here, and nothing is read that nobody wants."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
            too_large = PlainTextResponse("send no body\n", 413, {"Connection": "close"})
            await too_large(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class _SecurityHeaders:
    """Adds the security headers to every response, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _metrics_of(registry: CollectorRegistry) -> Callable[[Request], Awaitable[Response]]:
    async def send_metrics(_request: Request) -> Response:
        exposition = await asyncio.to_thread(generate_latest, registry)
        return Response(exposition, media_type=CONTENT_TYPE_LATEST)

    return send_metrics


def _read(name: str) -> bytes:
    return files("daemon.edge.web").joinpath("static", name).read_bytes()


def _static(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    content = _read(name)

    async def send_file(_request: Request) -> Response:
        return Response(content, media_type=media_type)

    return send_file


def _token() -> str:
    return hashlib.sha256(b"".join(_read(name) for name, _ in _FILES.values())).hexdigest()[:12]
