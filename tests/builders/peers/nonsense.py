"""Peers that misbehave: a socket whose every connection is answered by a function of the test's own."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO

from pydicom import dcmread


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Answers each connection in a thread of its own, until the end of the block; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(120)
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(120)


def web(answer: Callable[[bytes], bytes]) -> Callable[[socket.socket], None]:
    """A web service that answers 200 with what ``answer`` makes of the body of each request."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(1 << 16)
            head, _, body = request.partition(b"\r\n\r\n")
            (length,) = re.findall(rb"(?i)content-length: (\d+)", head)
            while len(body) < int(length):
                body += connection.recv(1 << 16)
            said = answer(body)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said) + said)

    return serve


def storing(body: bytes) -> bytes:
    """The Store Instances Response Module (PS3.18 I.2) that names the object of a request as stored."""
    dataset = dcmread(BytesIO(body.split(b"\r\n\r\n", 1)[1]), stop_before_pixels=True)
    return json.dumps({"00081199": {"vr": "SQ", "Value": [{"00081155": {"Value": [dataset.SOPInstanceUID]}}]}}).encode()
