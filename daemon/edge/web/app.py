"""The page's routes: static files, the cards as JSON and as a stream, pictures, answers, metrics, health.

The page's own files come from the package, nothing from another host, and nothing that a scanner sent is ever written
into HTML: the browser gets JSON and sets text.
"""

import asyncio
import hashlib
import json
import threading
from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from daemon.core.people.access import Refusal
from daemon.core.people.words import words_of
from daemon.core.ports import Board
from daemon.edge.web.access import Access, Gate, Login
from daemon.edge.web.answering import Answering
from daemon.edge.web.pages.quality import QualityPage
from daemon.edge.web.pages.series import SeriesPage
from daemon.edge.web.shipped import read_file
from daemon.edge.web.sources import Sources
from daemon.edge.web.status import status_route
from daemon.edge.web.stream import Streams


class _CardId(Convertor[str]):
    """The token of a card, in an address: anything else there leads nowhere."""

    regex = "[0-9A-Za-z_-]{1,64}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("card", _CardId())
_FILES = {
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/connection.js": ("connection.js", "text/javascript"),
    "/answers.js": ("answers.js", "text/javascript"),
    "/login.js": ("login.js", "text/javascript"),
    "/pages.css": ("pages.css", "text/css"),
    "/pages.js": ("pages.js", "text/javascript"),
    "/series.js": ("series.js", "text/javascript"),
    "/quality.js": ("quality.js", "text/javascript"),
    "/uplot.css": ("uplot.css", "text/css"),
    "/uplot.js": ("uplot.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/rescan.wav": ("rescan.wav", "audio/wav"),
}
#: One document for all of them: what it shows is told by its address.
_PAGES = ("/", "/scanners/{name:path}", "/exams/{exam_id}")


def make_app(sources: Sources, registry: CollectorRegistry, stopping: threading.Event) -> ASGIApp:
    """The ASGI application; streams end when ``stopping`` is set."""
    login = Login(sources.gate)
    answering = Answering(sources.answers, login)
    streams = Streams(sources, stopping, {"page": _token(), "shadow": sources.shadow}, login)
    routes = [
        *(Route(path, _static("index.html", "text/html")) for path in _PAGES),
        *(Route(path, _static(name, media_type)) for path, (name, media_type) in _FILES.items()),
        *_rooms(sources, login),
        Route("/words.js", _words(sources)),
        Route("/cards", streams.snapshot),
        Route("/events", streams.events),
        Route("/me", login.me),
        Route("/login", login.log_in, methods=["POST"]),
        Route("/logout", login.log_out, methods=["POST"]),
        Route("/cards/{card_id:card}/answer", answering.answer, methods=["POST"]),
        Route("/pictures/{card_id:card}.png", _pictures(sources.board)),
        Route("/metrics", _metrics_of(registry)),
        Route("/status", status_route(sources, registry)),
        Route("/livez", _live),
        Route("/readyz", _readiness(sources)),
    ]
    settings, secret = sources.gate.settings, sources.gate.secret.hex()
    return SessionMiddleware(
        Access(Starlette(routes=routes, exception_handlers={404: _nowhere(sources.gate)}), sources.gate),
        secret,
        "scanside",
        max_age=int(settings.session_s),
        same_site="strict",
        https_only=settings.secure_cookie,
    )


def _rooms(sources: Sources, login: Login) -> list[Route]:
    """The pages beside the live one; in shadow mode there are none, for they tell verdicts."""
    if sources.rooms is None or sources.shadow:
        return []
    rooms = sources.rooms
    quality = QualityPage(rooms.quality, rooms.calls, login)
    series = SeriesPage(rooms, login, sources.translation)
    return [
        Route("/quality/{name:path}", _static("quality.html", "text/html")),
        Route("/trends", quality.trends),
        Route("/calls/{call_id}/settle", quality.settle, methods=["POST"]),
        Route("/series/{card_id:card}", _static("series.html", "text/html")),
        Route("/history", series.history),
        Route("/series/{card_id:card}/slices", series.slices),
        Route("/series/{card_id:card}/slices/{number:int}.png", series.slice),
        Route("/series/{card_id:card}/overlays/{number:int}.png", series.overlay),
        Route("/series/{card_id:card}/case.zip", series.case),
        Route("/series/{card_id:card}/complete", series.complete, methods=["POST"]),
        Route("/series/{card_id:card}/again", series.again, methods=["POST"]),
        Route("/series/{card_id:card}/resend", series.resend, methods=["POST"]),
    ]


def make_metrics_app(registry: CollectorRegistry) -> ASGIApp:
    """The metrics alone, for a worker."""
    return Starlette(routes=[Route("/metrics", _metrics_of(registry))])


def _pictures(board: Board) -> Callable[[Request], Awaitable[Response]]:
    """Pictures may lie on a disk: they are read in a thread, not in the loop."""

    async def send_picture(request: Request) -> Response:
        png = await asyncio.to_thread(board.picture, request.path_params["card_id"])
        return Response(png, media_type="image/png") if png else PlainTextResponse("no such picture\n", 404)

    return send_picture


def _nowhere(gate: Gate) -> Callable[[Request, Exception], Awaitable[Response]]:
    """A path that is none of ours, or holds what no address of ours has."""

    async def refuse(request: Request, _: Exception) -> Response:
        await gate.refuse(request.scope, Refusal.NO_SUCH_PAGE)
        return PlainTextResponse(f"{Refusal.NO_SUCH_PAGE}\n", 404)

    return refuse


async def _live(_request: Request) -> Response:
    return PlainTextResponse("alive\n")


def _readiness(sources: Sources) -> Callable[[Request], Awaitable[Response]]:
    async def say_ready(_request: Request) -> Response:
        obstacles = await asyncio.to_thread(sources.ready)
        lines = [*(obstacles or ["ready"]), *sources.notices()]
        return PlainTextResponse("\n".join(lines) + "\n", 503 if obstacles else 200)

    return say_ready


def _metrics_of(registry: CollectorRegistry) -> Callable[[Request], Awaitable[Response]]:
    async def send_metrics(_request: Request) -> Response:
        exposition = await asyncio.to_thread(generate_latest, registry)
        return Response(exposition, media_type=CONTENT_TYPE_LATEST)

    return send_metrics


def _words(sources: Sources) -> Callable[[Request], Awaitable[Response]]:
    """The page's texts by their keys, and what bundles say, as a script of two constants."""
    own = {"language": sources.language.value, **words_of(sources.language)}
    texts, theirs = (json.dumps(one, ensure_ascii=False) for one in (own, dict(sources.translation.texts)))
    script = f'"use strict";\nconst WORDS = {texts};\nconst TEXTS = {theirs};\n'

    async def send_words(_request: Request) -> Response:
        return Response(script, media_type="text/javascript")

    return send_words


def _static(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    content = read_file(name)

    async def send_file(_request: Request) -> Response:
        return Response(content, media_type=media_type)

    return send_file


def _token() -> str:
    names: Sequence[str] = ["index.html", *(name for name, _ in _FILES.values())]
    return hashlib.sha256(b"".join(map(read_file, names))).hexdigest()[:12]
