"""What stands before every route: the host asked for, how much may be sent, and what each answer tells browsers."""

from collections.abc import Awaitable, Callable, Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.core.people.access import Refusal

#: Is told of what is refused here, before it is answered.
Refuse = Callable[[Scope, Refusal], Awaitable[None]]

_OWN_NAMES: Final = ("localhost", "127.0.0.1", "::1")
#: An answer with its reason, or a name and a password, are far shorter.
_BODY_MAX: Final = 4096
_HEADERS: Final = {
    # No inline script or style, no other host, no frame; Trusted Types makes innerHTML an error in the browser.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def guarded(app: ASGIApp, hosts: Collection[str], refuse: Refuse) -> ASGIApp:
    """Refuses requests with a body that nobody asked for, and requests to other hosts than these and our own names.

    A foreign host is how a page of a stranger reads ours through a browser (DNS rebinding).
    """
    return _SecurityHeaders(_Hosts(_Bounded(app, refuse), hosts, refuse))


def is_same_site(headers: Headers) -> bool:
    """Whether a browser says, in each of its two ways, that one of our own pages sends this.

    Origin (RFC 6454) names our host; Sec-Fetch-Site (W3C Fetch Metadata) is what no page can forge.
    """
    origin = headers.get("origin", "")
    if origin and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        return False
    return headers.get("sec-fetch-site", "same-origin") == "same-origin"


class _Hosts:
    """Refuses requests to foreign hosts, and tells of them: what Starlette does not hand on, it has refused."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], refuse: Refuse) -> None:
        self.app = app
        self._allowed = [f"[{host}]" if ":" in host else host for host in {*_OWN_NAMES, *hosts}]
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handed_on = False

        async def hand_on(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal handed_on
            handed_on = True
            await self.app(scope, receive, send)

        async def send_told(message: Message) -> None:
            if message["type"] == "http.response.start" and not handed_on:
                await self._refuse(scope, Refusal.FOREIGN_HOST)
            await send(message)

        trusted = TrustedHostMiddleware(hand_on, allowed_hosts=self._allowed, www_redirect=False)
        await trusted(scope, receive, send_told)


class _Bounded:
    """Refuses what brings a body, unless it is a short POST of JSON: nothing is read that nobody wants."""

    def __init__(self, app: ASGIApp, refuse: Refuse) -> None:
        self.app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        small = scope["method"] == "POST" and length.isdecimal() and int(length) <= _BODY_MAX
        json = headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
        if "transfer-encoding" in headers or not (length == "0" or (small and json)):
            await self._refuse(scope, Refusal.UNWANTED_BODY)
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
