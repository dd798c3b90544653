"""A storage peer that speaks the upper layer by hand, so that it can also answer nonsense."""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.dsutils import decode, encode

HEAD = struct.Struct(">BxI")
#: What follows the fixed part of an A-ASSOCIATE-RQ or -AC (PS3.8 9.3.2).
_ITEMS = 68
_CONTEXT = b"1.2.840.10008.3.1.1.1"
RELEASED = HEAD.pack(0x06, 4) + bytes(4)


def item(kind: int, content: bytes) -> bytes:
    """One item of an A-ASSOCIATE PDU."""
    return struct.pack(">BxH", kind, len(content)) + content


def acceptance(
    contexts: list[tuple[int, int]] = [(1, 0)],  # noqa: B006 - never changed
    syntax: str = ExplicitVRLittleEndian,
    most: int | None = 16384,
) -> bytes:
    """An A-ASSOCIATE-AC: context ids with their results, the transfer syntax of all, the maximum length."""
    body = struct.pack(">H", 1) + bytes(2) + b" " * 32 + bytes(32) + item(0x10, _CONTEXT)
    for number, result in contexts:
        body += item(0x21, bytes([number, 0, result, 0]) + item(0x40, syntax.encode()))
    length = b"" if most is None else item(0x51, struct.pack(">I", most))
    body += item(0x50, length + item(0x52, b"1.2.3"))
    return HEAD.pack(0x02, len(body)) + body


def rejection(result: int, source: int, reason: int) -> bytes:
    """An A-ASSOCIATE-RJ (PS3.8 table 9-21)."""
    return HEAD.pack(0x03, 4) + bytes([0, result, source, reason])


def message(context: int = 1, *, data: bool = False, **elements: object) -> bytes:
    """A P-DATA-TF with a command set, by its keywords; None leaves one out; ``data``: a data set follows."""
    command = Dataset()
    for keyword, value in elements.items():
        if value is not None:
            setattr(command, keyword, value)
    command.CommandDataSetType = 0x0001 if data else 0x0101
    encoded = encode(command, is_implicit_vr=True, is_little_endian=True)
    group = struct.pack("<HHIi", 0, 0, 4, len(encoded))
    value = struct.pack(">IBB", len(group + encoded) + 2, context, 3) + group + encoded
    return HEAD.pack(0x04, len(value)) + value


def stored(uid: str | None, **changes: object) -> bytes:
    """A C-STORE-RSP; ``changes`` replace its elements."""
    usual = {"CommandField": 0x8001, "MessageIDBeingRespondedTo": 1, "Status": 0, "AffectedSOPInstanceUID": uid}
    context = int(str(changes.pop("context", 1)))
    return message(context, **(usual | changes))


def read(connection: socket.socket) -> tuple[int, bytes]:
    """The next PDU; type 0 at the end."""
    head = _exactly(connection, HEAD.size)
    kind, length = HEAD.unpack(head) if len(head) == HEAD.size else (0, 0)
    return kind, _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count and (piece := connection.recv(count - len(content))):
        content += piece
    return content


def peer(accepts: bytes, answers: Callable[[str], bytes] = stored) -> Callable[[socket.socket], None]:
    """Accepts with these bytes, answers each C-STORE by its SOP instance UID, and releases."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            read(connection)
            connection.sendall(accepts)
            command, whole = b"", False
            while True:
                kind, body = read(connection)
                if kind == 0x05:
                    connection.sendall(RELEASED)
                if kind != 0x04:
                    return
                for flags, fragment in _fragments(body):
                    command += fragment if flags & 1 else b""
                    whole = flags == 0x02
                if whole:
                    asked = decode(BytesIO(command), is_implicit_vr=True, is_little_endian=True)
                    command, whole = b"", False
                    uid = asked.get("AffectedSOPInstanceUID") or asked.get("RequestedSOPInstanceUID")
                    connection.sendall(answers(str(uid)))

    return serve


def _fragments(body: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(body):
        (length,) = struct.unpack_from(">I", body, at)
        found.append((body[at + 5], body[at + 6 : at + 4 + length]))
        at += 4 + length
    return found
