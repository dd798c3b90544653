"""Before every route: who asks, and whether that is enough; logging in and out."""

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from daemon.core.people.access import AccessSettings, Deed, LocalRole, Refusal, Role, Visitor, is_loopback
from daemon.edge.access.audit import Audit, Entry
from daemon.edge.access.sessions import Sessions
from daemon.edge.access.users import Users
from daemon.edge.database.patience import unless_gone
from daemon.edge.web.guards import is_same_site
from daemon.edge.web.shipped import read_file

#: The header in which a page of ours says the token that only our own pages can read.
CSRF_HEADER: Final = "x-scanside-token"
#: What machines ask, and what the login page is made of.
_OPEN: Final = frozenset(
    {"/livez", "/readyz", "/status", "/metrics", "/page.css", "/login.js", "/words.js", "/icon.svg", "/login"}
)
#: What a proxy adds when it asks for somebody else.
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
#: A password takes 64 MiB while it is tried.
_VERIFIED_AT_ONCE: Final = 2
_NAME_LENGTH_MAX, _PASSWORD_LENGTH_MAX = 64, 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What decides who comes in.

    ``secret``: under which sessions are signed; ``local``: whether only this machine can reach the page at all;
    ``count``: is told of each refusal, however often the trail has told of it already.
    """

    settings: AccessSettings
    users: Users
    sessions: Sessions
    audit: Audit
    secret: bytes
    local: bool
    clock: Callable[[], float] = time.time
    count: Callable[[Refusal], None] = lambda _: None

    async def refuse(self, scope: Scope, why: Refusal) -> None:
        """Count a refusal, and tell the trail."""
        self.count(why)
        await asyncio.to_thread(note, self, Request(scope), Deed.REFUSED, why.value)


class Access:
    """Gives each request its visitor, and refuses those who may not even look."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self.app = app
        self._gate = gate
        self._page = read_file("login.html")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on with its visitor, or refuse it."""
        request = Request(scope)
        visitor = await asyncio.to_thread(self._visitor, request)
        scope["visitor"] = visitor
        if visitor is not None or request.url.path in _OPEN:
            await self.app(scope, receive, send)
            return
        await self._gate.refuse(scope, Refusal.NOT_LOGGED_IN)
        wants_page = "text/html" in request.headers.get("accept", "") and request.method == "GET"
        refusal = (
            Response(self._page, 401, media_type="text/html") if wants_page else PlainTextResponse("log in\n", 401)
        )
        await refusal(scope, receive, send)

    def _visitor(self, request: Request) -> Visitor | None:
        return self._proxied(request) or self._logged_in(request) or self._at_this_machine(request)

    def _proxied(self, request: Request) -> Visitor | None:
        settings = self._gate.settings
        name = request.headers.get(settings.proxy_header, "") if settings.proxy_header else ""
        is_name = 0 < len(name) <= _NAME_LENGTH_MAX and name.isprintable()
        if not is_name or _client(request) not in settings.proxies:
            return None
        return Visitor(name=name, role=settings.roles.get(name, settings.proxy_role), session=f"proxy {name}")

    def _logged_in(self, request: Request) -> Visitor | None:
        session = request.session.get("session")
        found: list[Visitor | None] = [None]
        if isinstance(session, str):
            with unless_gone():
                found = [self._gate.sessions.visitor(session, self._gate.clock())]
        return found[0]

    def _at_this_machine(self, request: Request) -> Visitor | None:
        local = self._gate.settings.local
        asks_for_others = self._gate.settings.proxy_header or any(name in request.headers for name in _FORWARDED)
        if local is LocalRole.NOBODY or asks_for_others or not (self._gate.local and is_loopback(_client(request))):
            return None
        return Visitor(name="console", role=Role(local.value))


class Login:
    """The routes by which people come and go, and what a page may know of its visitor."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._secret = secrets.token_bytes(32)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._limit = RateLimitItemPerMinute(gate.settings.logins_per_minute)
        self._verifying = asyncio.Semaphore(_VERIFIED_AT_ONCE)

    async def log_in(self, request: Request) -> Response:
        """Begin a session: ``{"name": ..., "password": ...}``."""
        if not is_same_site(request.headers):
            return await self._refused(request, Refusal.CROSS_SITE)
        try:
            name, password = _credentials(await request.json())
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return PlainTextResponse("send a name and a password\n", 400)
        counted = [self._limiter.hit(self._limit, *who) for who in (("address", _client(request)), ("user", name))]
        if not all(counted):
            return await self._refused(request, Refusal.TOO_MANY_LOGINS, 429)
        async with self._verifying:
            role = await asyncio.to_thread(self._gate.users.verify, name, password)
        if role is None:
            return await self._refused(request, Refusal.WRONG_LOGIN)
        now = self._gate.clock()
        request.session["session"] = await asyncio.to_thread(self._gate.sessions.begin, name, now)
        await asyncio.to_thread(note, self._gate, request, Deed.LOGGED_IN, name, name)
        return JSONResponse({"name": name, "role": role.value})

    async def log_out(self, request: Request) -> Response:
        """End the session."""
        visitor = request.scope["visitor"]
        if not self.is_ours(request):
            return await self._refused(request, Refusal.FORGED_TOKEN)
        session = request.session.pop("session", None)
        if isinstance(session, str):
            await asyncio.to_thread(self._gate.sessions.end, session)
        await asyncio.to_thread(note, self._gate, request, Deed.LOGGED_OUT, visitor.name)
        return JSONResponse({"logged_out": True})

    async def me(self, request: Request) -> Response:
        """Who asks, what that visitor may, and the token that goes with every answer."""
        visitor: Visitor = request.scope["visitor"]
        has_session = "session" in request.session
        told = {"name": visitor.name, "role": visitor.role.value, "session": has_session, "token": self.token(visitor)}
        return JSONResponse(told)

    def token(self, visitor: Visitor) -> str:
        """What a page of this visitor sends with every change: another site's page cannot read it."""
        return hmac.digest(self._secret, f"{visitor.name}\n{visitor.session}".encode(), "sha256").hex()

    def is_ours(self, request: Request) -> bool:
        """Whether a page of ours sends this, for the visitor whom it was given to."""
        sent = request.headers.get(CSRF_HEADER, "").encode()
        return is_same_site(request.headers) and secrets.compare_digest(
            sent, self.token(request.scope["visitor"]).encode()
        )

    async def refuse(self, request: Request, needed: Role) -> Response | None:
        """Why a change is refused: of another site, or by somebody who may not; None where it is not."""
        if not self.is_ours(request):
            return await self._refused(request, Refusal.FORGED_TOKEN)
        return await self.refuse_role(request, needed)

    async def refuse_role(self, request: Request, needed: Role) -> Response | None:
        """Why somebody may not look at something; None where that visitor may."""
        visitor: Visitor = request.scope["visitor"]
        if visitor.role.may(needed):
            return None
        return await self._refused(request, Refusal(f"needs {needed.value}"))

    async def note(self, request: Request, deed: Deed, subject: str) -> None:
        """Tell the trail."""
        await asyncio.to_thread(note, self._gate, request, deed, subject)

    async def _refused(self, request: Request, why: Refusal, status: int = 403) -> Response:
        await self._gate.refuse(request.scope, why)
        return PlainTextResponse(f"{why}\n", status)


def note(gate: Gate, request: Request, deed: Deed, subject: str, who: str = "") -> None:
    """Tell the trail what a visitor did; while the database is gone nothing can be told."""
    visitor: Visitor | None = request.scope.get("visitor")
    name = who or (visitor.name if visitor else "")
    with unless_gone():
        gate.audit.note(Entry(at=gate.clock(), who=name, address=_client(request), deed=deed, subject=subject))


def _credentials(sent: Any) -> tuple[str, str]:  # noqa: ANN401 - JSON
    name, password = sent["name"], sent["password"]
    if not (isinstance(name, str) and isinstance(password, str)):
        raise TypeError("no texts")
    if not 0 < len(name) <= _NAME_LENGTH_MAX or len(password) > _PASSWORD_LENGTH_MAX:
        raise ValueError("too long, or empty")
    return name, password


def _client(request: Request) -> str:
    return request.client.host if request.client else ""
