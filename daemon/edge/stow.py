"""STOW-RS (PS3.18 10.5): one object a request, the answer read per instance, not per request."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from daemon.core.errors import DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.core.values import ReportObject
from daemon.edge.tls import TlsSettings, client_context

#: Status codes that pass by themselves: too early, too many, and the server's own trouble.
_PASSING = frozenset({408, 425, 429, 500, 502, 504, 507})
_UNAVAILABLE = 503
_DONE, _PARTLY, _CONFLICT = 200, 202, 409
_UNAUTHORISED = frozenset({401, 403})
#: Longer answers are no answers to one object.
_ANSWER_BYTES = 1 << 20
#: Attributes of the Store Instances Response Module (PS3.18 I.2), as DICOM JSON names them.
_REFERENCED, _FAILED, _UID = "00081199", "00081198", "00081155"
_FAILURE_REASON, _WARNING_REASON = "00081197", "00081196"
_DUPLICATE, _OUT_OF_RESOURCES = 0x0111, range(0xA700, 0xA800)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebArchive:
    """A DICOMweb service: ``url`` of its root, above ``studies``; ``authorization_file`` holds the header's value."""

    name: str
    url: str
    authorization_file: Path | None = None
    timeout_s: float = 30.0
    tls: TlsSettings = field(default_factory=TlsSettings)


class StowClient:
    """Delivers by STOW-RS; connections are kept open between objects."""

    def __init__(self, archive: WebArchive) -> None:
        self._archive = archive
        self._pool = urllib3.PoolManager(
            retries=False,
            timeout=archive.timeout_s,
            ssl_context=client_context(archive.tls),
            server_hostname=archive.tls.server_name or None,
        )

    @property
    def name(self) -> str:
        """How the configuration calls it."""
        return self._archive.name

    def deliver(self, report_object: ReportObject) -> str:
        """Store one object; what the server remarked.

        Raises:
            DeliveryRefused: the request or the object is refused for good.
            DestinationUnreachable: no connection, or the service is not available.
            DeliveryFailed: no answer, or the server is in passing trouble.
        """
        status, body = self._post(report_object.payload)
        failure, warning = _outcome(body, report_object.sop_instance_uid)
        if failure == _DUPLICATE or (status == _DONE and failure is None):
            return _remark(failure or warning)
        if failure is not None:
            self._fail(failure)
        if status == _PARTLY and warning is not None:
            return _remark(warning)
        raise self._trouble(status)

    def _post(self, payload: bytes) -> tuple[int, dict[str, Any]]:
        boundary = secrets.token_hex(16)
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
        } | self._authorization()
        part = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = part + payload + f"\r\n--{boundary}--\r\n".encode()
        url = f"{self._archive.url.rstrip('/')}/studies"
        try:
            answer = self._pool.request(
                "POST", url, body=body, headers=headers, redirect=False, preload_content=False, decode_content=True
            )
            with answer:
                return answer.status, _parse(answer.read(_ANSWER_BYTES))
        except (ReadTimeoutError, ProtocolError) as error:
            raise DeliveryFailed(f"{self.name} gave no answer: it may be overloaded") from error
        except HTTPError as error:
            raise DestinationUnreachable(
                f"{self.name} cannot be reached ({type(error).__name__}): check that it runs, its URL and certificate"
            ) from error

    def _authorization(self) -> dict[str, str]:
        """Read each time: tokens are renewed while we run."""
        file = self._archive.authorization_file
        if file is None:
            return {}
        try:
            return {"Authorization": file.read_text().strip()}
        except (OSError, ValueError) as error:
            raise DeliveryRefused(f"{self.name}: cannot read {file}: give a readable authorization_file") from error

    def _fail(self, reason: int) -> None:
        if reason in _OUT_OF_RESOURCES:
            raise DeliveryFailed(f"{self.name} is out of resources (failure reason {reason:04X})")
        raise DeliveryRefused(
            f"{self.name} refused the object (failure reason {reason:04X}): see its log, then requeue"
        )

    def _trouble(self, status: int) -> DeliveryFailed | DeliveryRefused:
        if status == _UNAVAILABLE:
            return DestinationUnreachable(f"{self.name} is not available (HTTP 503)")
        if status in _PASSING:
            return DeliveryFailed(f"{self.name} is in trouble (HTTP {status})")
        if status in _UNAUTHORISED:
            return DeliveryRefused(f"{self.name} does not let us in (HTTP {status}): check authorization_file")
        if status in (_PARTLY, _CONFLICT):
            return DeliveryRefused(f"{self.name} does not say what became of the object (HTTP {status}): look there")
        return DeliveryRefused(f"{self.name} refused the request (HTTP {status}): check the URL and its log")


def _remark(reason: int | None) -> str:
    return f"warning {reason:04X}" if reason else ""


def _parse(body: bytes) -> dict[str, Any]:
    """The answer's data set; empty where it is none."""
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    found = found[0] if isinstance(found, list) and found else found
    return found if isinstance(found, dict) else {}


def _outcome(answer: dict[str, Any], sop_instance_uid: str) -> tuple[int | None, int | None]:
    """What is said of one instance: its failure reason, or its warning reason, 0 where it was stored without one."""
    for item in _items(answer, _FAILED):
        if _value(item, _UID) == sop_instance_uid:
            return _number(item, _FAILURE_REASON), None
    for item in _items(answer, _REFERENCED):
        if _value(item, _UID) == sop_instance_uid:
            return None, _number(item, _WARNING_REASON)
    return None, None


def _items(answer: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    element = answer.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return [item for item in values if isinstance(item, dict)] if isinstance(values, list) else []


def _value(item: dict[str, Any], tag: str) -> object:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None


def _number(item: dict[str, Any], tag: str) -> int:
    value = _value(item, tag)
    return value if isinstance(value, int) else 0
