"""Word of what takes minutes, again and again, while it takes them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from models.engines.interface import Tell


@contextmanager
def reporting_progress(what: str, tell: Tell, every_s: float = 15.0) -> Iterator[None]:
    """Tells ``what``, at first and every so often with the seconds that have passed, until the block ends."""
    began, done = time.monotonic(), threading.Event()

    def repeat() -> None:
        while not done.wait(every_s):
            tell(f"{what} (for {time.monotonic() - began:.0f} s)")

    tell(what)
    thread = threading.Thread(target=repeat, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
