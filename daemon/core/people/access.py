"""Who may do what on the page, and how that is configured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated

from daemon.core.bounds import Host, Line, Name, Range

_DAY_S = 86_400.0


class Role(StrEnum):
    """What a visitor may do; each may also do what those before it may."""

    VIEWER = "viewer"
    RADIOGRAPHER = "radiographer"
    ADMIN = "admin"

    def may(self, needed: "Role") -> bool:
        """Whether this role is enough where ``needed`` is asked for."""
        roles = list(Role)
        return roles.index(self) >= roles.index(needed)


class LocalRole(StrEnum):
    """What somebody at this machine may do without logging in."""

    NOBODY = "nobody"
    VIEWER = "viewer"
    RADIOGRAPHER = "radiographer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asks; ``session``: what forgeries must not know, empty for somebody at this machine or behind a proxy."""

    name: str
    role: Role
    session: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """Who may see the page and answer.

    ``local``: what somebody at this machine may do without logging in, as long as ``web.host`` is a loopback address
    and no proxy says that it asks for somebody else. ``proxy_header``: a header in which one of ``proxies`` names who
    has logged in there; ``roles``: name -> role of those, ``proxy_role`` of all others. ``secure_cookie``: browsers
    send the session over HTTPS only.
    """

    local: LocalRole = LocalRole.RADIOGRAPHER
    proxy_header: Annotated[str, Line(optional=True)] = ""
    proxies: tuple[Host, ...] = ("127.0.0.1", "::1")
    proxy_role: Role = Role.VIEWER
    roles: Mapping[Name, Role] = field(default_factory=dict)
    session_s: Annotated[float, Range(60, 30 * _DAY_S)] = _DAY_S / 2
    idle_s: Annotated[float, Range(60, 30 * _DAY_S)] = 2 * 3600.0
    sessions_max: Annotated[int, Range(1, 1000)] = 10
    logins_per_minute: Annotated[int, Range(1, 10_000, "of one address, and of one user")] = 10
    secure_cookie: bool = False


class Refusal(StrEnum):
    """Why a request to the page is refused, in the words of the trail and of the metrics."""

    NOT_LOGGED_IN = "not logged in"
    WRONG_LOGIN = "wrong name or password"
    TOO_MANY_LOGINS = "too many logins"
    CROSS_SITE = "cross-site"
    FORGED_TOKEN = "forged token"  # noqa: S105 - words
    NEEDS_RADIOGRAPHER = "needs radiographer"
    NEEDS_ADMIN = "needs admin"
    FOREIGN_HOST = "foreign host"
    UNWANTED_BODY = "unwanted body"
    NO_SUCH_PAGE = "no such page"


class Deed(StrEnum):
    """What the trail tells of."""

    LOGGED_IN = "logged in"
    LOGGED_OUT = "logged out"
    REFUSED = "refused"
    SAW = "saw"
    ANSWERED = "answered"
    TOOK_BACK = "took back"
    EXPORTED = "exported"
    SETTLED = "settled"
    REPROCESSED = "reprocessed"
    COMPLETED = "completed"
    RESENT = "resent"
    CHANGED = "changed"


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"
