"""A real local HTTP server that takes notes and answers as it is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Target:
    """What came in, and how to answer: with a status, only after ``answer`` is set, dripping until it is."""

    status: int = 200
    drips: bool = False
    answer: threading.Event = field(default_factory=threading.Event)
    received: list[dict[str, object]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"json://user:secret@127.0.0.1:{self.port}/alerts"


@contextmanager
def http_target(status: int = 200, *, waits: bool = False, drips: bool = False) -> Iterator[Target]:
    target = Target(status=status, drips=drips)
    if not waits and not drips:
        target.answer.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            target.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(target.status)
            self.end_headers()
            while target.drips and not target.answer.wait(0.02):
                self.wfile.write(b".")
            target.answer.wait()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Slow(Handler):
        def do_POST(self) -> None:
            target.received.append({})
            target.answer.wait()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow if waits else Handler)
    target.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield target
    finally:
        target.answer.set()
        server.shutdown()
        server.server_close()
        thread.join()
