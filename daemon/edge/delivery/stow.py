"""STOW-RS (PS3.18 10.5): one object a request, the answer read per instance, not per request.

Delivered is what the answer names as stored (PS3.18 10.5.3): a login page, a proxy or a portal answers 200 as well.
"""

import secrets
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from socket import socket
from typing import cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url

from daemon.core.errors import ConfigError, DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.core.values import ReportObject
from daemon.dicom.protocol.store_response import read_outcome
from daemon.edge.delivery.bounded import BoundedSocket
from daemon.edge.tls import TlsSettings, client_context

#: Status codes that pass by themselves: elsewhere for now, too early, too many, the server's or a portal's own trouble.
_PASSING = frozenset({302, 303, 307, 408, 425, 429, 500, 502, 504, 507, 511})
_UNAVAILABLE, _CONFLICT = 503, 409
_SUCCESSFUL = range(200, 300)
#: What a service may say to a request of no object: bad request, conflict, unprocessable.
_NOTHING_TO_STORE = frozenset({400, 409, 422})
_UNAUTHORISED = frozenset({401, 403})
#: An answer to one object takes some hundred bytes; its head, a proxy's headers.
_ANSWER_BYTES = 1 << 17
_AUTHORIZATION_BYTES = 1 << 14
_DUPLICATE, _OUT_OF_RESOURCES = 0x0111, range(0xA700, 0xA800)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebArchive:
    """A DICOMweb service: ``url`` of its root, above ``studies``; ``authorization_file`` holds the header's value.

    ``timeout_s``: of connecting, then of one object's whole exchange.
    """

    name: str
    url: str
    authorization_file: Path | None = None
    timeout_s: float = 30.0
    tls: TlsSettings = field(default_factory=TlsSettings)


class StowClient:
    """Delivers by STOW-RS, each object on a connection of its own.

    Raises:
        ConfigError: the URL is none, or a certificate cannot be used. Credentials come and go while we run: what is
            wrong with them holds up this destination, and no start.
    """

    def __init__(self, archive: WebArchive) -> None:
        self._archive = archive
        self._host, self._port, self._path = _place(archive)
        self._context = client_context(archive.tls) if _is_secure(archive) else None

    @property
    def name(self) -> str:
        """How the configuration calls it."""
        return self._archive.name

    def deliver(self, report_object: ReportObject) -> str:
        """Store one object; what the server remarked.

        Raises:
            DeliveryRefused: the request or the object is refused for good.
            DestinationUnreachable: no connection, no credentials, or the service is not available.
            DeliveryFailed: no answer, none that names the object, or the server is in passing trouble.
        """
        status, body = self._post(report_object.payload)
        outcome = read_outcome(body, report_object.sop_instance_uid)
        if outcome.failure == _DUPLICATE:
            return _remark(outcome.failure)
        if outcome.failure is not None:
            raise self._failure(outcome.failure)
        if outcome.warning is not None and status in _SUCCESSFUL:
            return _remark(outcome.warning)
        raise self._trouble(status)

    def ask(self) -> str:
        """Whether the service is there and lets us in: a request of no object, which stores nothing.

        Raises:
            DeliveryError: it does not, or something else answers.
        """
        status, body = self._post(None)
        if status in _SUCCESSFUL and body.lstrip()[:64].lower().startswith((b"<html", b"<!doctype html")):
            raise DeliveryRefused(f"{self.name} answers with a web page: no DICOMweb, or a login in front")
        if status not in _SUCCESSFUL and status not in _NOTHING_TO_STORE:
            raise self._trouble(status)
        return f"answers requests to store (HTTP {status} to one of no object)"

    def _post(self, payload: bytes | None) -> tuple[int, bytes]:
        boundary = secrets.token_hex(16)
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
        } | self._authorization()
        part = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = (b"" if payload is None else part + payload + b"\r\n") + f"--{boundary}--\r\n".encode()
        with closing(self._connected()) as connection:
            return self._exchange(connection, body, headers)

    def _exchange(self, connection: HTTPConnection, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        try:
            with suppress(BrokenPipeError):  # a server may refuse, and close, before it has taken everything
                connection.request("POST", self._path, body, headers, preload_content=False, decode_content=False)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException, HTTPError, ValueError) as error:  # http.client's own, of a chunk of -5 bytes
            what = f"no answer that can be read within {self._archive.timeout_s:g} s ({type(error).__name__})"
            raise DeliveryFailed(f"{self.name} gave {what}: it may be overloaded, or no DICOMweb service") from error

    def _connected(self) -> HTTPConnection:
        """A new connection, bounded from now on."""
        connection = self._connection()
        try:
            connection.connect()
        except (OSError, HTTPError) as error:
            connection.close()
            raise DestinationUnreachable(
                f"{self.name} cannot be reached ({type(error).__name__}): check that it runs, its URL and certificate"
            ) from error
        connection.sock = cast("socket", BoundedSocket(connection.sock, self._archive.timeout_s, _ANSWER_BYTES))
        return connection

    def _connection(self) -> HTTPConnection:
        seconds, context = self._archive.timeout_s, self._context
        if context is None:
            return HTTPConnection(self._host, self._port, timeout=seconds)
        name = self._archive.tls.server_name or None
        return HTTPSConnection(self._host, self._port, timeout=seconds, ssl_context=context, server_hostname=name)

    def _authorization(self) -> dict[str, str]:
        """Read each time: tokens are renewed while we run. What is wrong with the file holds up every object."""
        held = self._held()
        if held is None:
            return {}
        if not _is_value(held):
            file = self._archive.authorization_file
            wanted = "write one line of plain ASCII, such as Bearer and a token"
            raise DestinationUnreachable(f"{self.name}: authorization_file {file} holds no header's value: {wanted}")
        return {"Authorization": held.decode("ascii")}

    def _held(self) -> bytes | None:
        """What the file holds; None where there is none to read."""
        file = self._archive.authorization_file
        if file is None:
            return None
        try:
            if file.is_file():  # a pipe would never end
                with file.open("rb") as opened:
                    return opened.read(_AUTHORIZATION_BYTES + 1).strip()
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            raise DestinationUnreachable(f"{self.name}: cannot read authorization_file {file}: mend it") from error
        raise DestinationUnreachable(f"{self.name}: authorization_file {file} is not there: write it")

    def _failure(self, reason: int) -> DeliveryFailed | DeliveryRefused:
        if reason in _OUT_OF_RESOURCES:
            return DeliveryFailed(f"{self.name} is out of resources (failure reason {reason:04X})")
        return DeliveryRefused(
            f"{self.name} refused the object (failure reason {reason:04X}): see its log, then requeue"
        )

    def _trouble(self, status: int) -> DeliveryFailed | DeliveryRefused:
        if status in _SUCCESSFUL:
            return DeliveryFailed(
                f"{self.name} answered HTTP {status} without naming the object as stored: check its URL, and whether "
                "a login page or a proxy answers in its place"
            )
        if status == _UNAVAILABLE:
            return DestinationUnreachable(f"{self.name} is not available (HTTP 503)")
        if status in _PASSING:
            return DeliveryFailed(f"{self.name} is in trouble (HTTP {status})")
        if status in _UNAUTHORISED:
            return DeliveryRefused(f"{self.name} does not let us in (HTTP {status}): check authorization_file")
        if status == _CONFLICT:
            return DeliveryRefused(f"{self.name} does not say what became of the object (HTTP {status}): look there")
        return DeliveryRefused(f"{self.name} refused the request (HTTP {status}): check the URL and its log")


def _place(archive: WebArchive) -> tuple[str, int | None, str]:
    """Host, port and path of the service's ``studies``."""
    try:
        url = parse_url(f"{archive.url.rstrip('/')}/studies")
    except LocationParseError:
        url = parse_url("")
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(f"{archive.name}: url = {archive.url!r} is none: write https://HOST/PATH, above studies")
    return url.host.strip("[]"), url.port, url.request_uri


def _is_secure(archive: WebArchive) -> bool:
    return archive.url.lower().startswith("https:")


def _remark(reason: int) -> str:
    return f"warning {reason:04X}" if reason else ""


def _is_value(held: bytes) -> bool:
    """Whether it can be a header's value (RFC 9110 5.5), without the letters that only some servers take."""
    return 0 < len(held) <= _AUTHORIZATION_BYTES and held.isascii() and held.decode("ascii").isprintable()
