"""Logs: one JSON line an event, on standard error, in UTC, without patient data.

Every road to standard error leads through one chain of processors that ends in ``redaction``: our own structlog
events, the standard library's logging, Python's warnings, and exceptions that nobody caught. What a library wants
to say is kept as where it was said (``pydicom/valuerep.py:442``), never as its words: the words quote headers.
"""

import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from functools import cache
from typing import TextIO, cast

import structlog
from pynetdicom import _config as pynetdicom_config
from structlog.typing import EventDict, Processor, WrappedLogger

from daemon.core.errors import ConfigError
from daemon.edge.telemetry.log_pipe import LogPipe
from daemon.edge.telemetry.redaction import Redaction, place

LEVELS = ("debug", "info", "warning", "error")
SITE_KEY_BYTES_MIN = 16
_STDERR = 2
_AGAIN_S = 60.0


def configure(level: str, site_key: bytes) -> None:
    """Route everything that this process says to standard error, as JSON lines without patient data.

    Call it once, before the first library object is made.

    Args:
        level: The lowest level of our own events that is written: one of ``LEVELS``. Libraries: warnings and up.
        site_key: The secret under which UIDs become tokens; the same for all processes of a site.

    Raises:
        ConfigError: an unknown level, or a key too short to be a secret.
    """
    if level not in LEVELS:
        raise ConfigError(f"log level {level!r} is not known: write one of {', '.join(LEVELS)}")
    if len(site_key) < SITE_KEY_BYTES_MIN:
        raise ConfigError(f"the site key is shorter than {SITE_KEY_BYTES_MIN} bytes: make one with openssl rand 32")
    structlog.configure(
        processors=_chain(logging.getLevelNamesMapping()[level.upper()], site_key),
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _pipe())),
        cache_logger_on_first_use=False,
    )
    _route_libraries()
    _route_warnings()
    _route_uncaught()


def drain() -> None:
    """Wait a little until what was said is written: before this process ends or is replaced without a clean-up."""
    _pipe().drain()


@cache
def _pipe() -> LogPipe:
    """Standard error, which nobody waits for: a reader that hangs must hold up no image and no verdict."""
    if sys.stderr is None:  # closed by who started us: the number must not become that of another file
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDERR)
    return LogPipe(_STDERR)


def _chain(lowest: int, site_key: bytes) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _dropping_below(lowest),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _resolve_exc_info,
        Redaction(site_key),
        structlog.processors.JSONRenderer(allow_nan=False),
    ]


def _dropping_below(lowest: int) -> Processor:
    numbers = logging.getLevelNamesMapping()

    def drop(_logger: WrappedLogger, _method: str, record: EventDict) -> EventDict:
        if numbers[record["level"].upper()] < lowest:
            raise structlog.DropEvent
        return record

    return drop


def _resolve_exc_info(_logger: WrappedLogger, _method: str, record: EventDict) -> EventDict:
    """``exc_info=True`` means the exception being handled."""
    if record.get("exc_info") is True:
        record["exc_info"] = sys.exc_info()
    return record


class _Rerouted(logging.Handler):
    """Takes the standard library's records; their message is never even formatted."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            _nearest(record.levelno),
            "library message",
            logger=record.name,
            at=place(record.pathname, record.lineno),
            exc_info=record.exc_info,
        )


def _sparing() -> Callable[[logging.LogRecord], bool]:
    """Warnings from one place once a minute: DBOS says forty times a second that its database is gone."""
    said: dict[tuple[str, int], float] = {}

    def spare(record: logging.LogRecord) -> bool:
        origin, now = (record.pathname, record.lineno), time.monotonic()
        if record.levelno <= logging.WARNING and now - said.get(origin, -_AGAIN_S) < _AGAIN_S:
            return False
        said[origin] = now
        return True

    return spare


def _route_libraries() -> None:
    # Loggers that exist may have brought their own way to standard error; DBOS makes one unless it finds a handler.
    for name in list(logging.root.manager.loggerDict):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    handler = _Rerouted(logging.WARNING)
    handler.addFilter(_sparing())
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.WARNING)
    workflow_engine = logging.getLogger("dbos")
    workflow_engine.handlers = [handler]
    workflow_engine.propagate = False
    # pydicom says each of its warnings twice; _route_warnings hears them.
    logging.getLogger("pydicom").setLevel(logging.ERROR)
    # C-FIND and C-MOVE identifiers and the details of every message: neither is ever formatted.
    pynetdicom_config.LOG_HANDLER_LEVEL = "none"
    pynetdicom_config.LOG_REQUEST_IDENTIFIERS = False
    pynetdicom_config.LOG_RESPONSE_IDENTIFIERS = False


def _route_warnings() -> None:
    """One record for each kind of warning and place in the code, however many texts it comes with.

    Python remembers each *text* it has shown, so a warning that quotes headers would both repeat and pile up in
    memory; hence "always" for the category that DICOM libraries use, and a memory of places, of which there are few.
    """
    told: set[tuple[str, str]] = set()

    def tell(category: type[Warning], filename: str, lineno: int) -> None:
        origin = (category.__qualname__, place(filename, lineno))
        if origin not in told:
            told.add(origin)
            structlog.get_logger().warning("library warning", category=origin[0], at=origin[1])

    warnings.simplefilter("always", UserWarning)
    warnings.showwarning = lambda _message, category, filename, lineno, *_: tell(category, filename, lineno)


def _route_uncaught() -> None:
    """Exceptions that end a thread, the process or a finaliser are logged like any other."""

    def log(event: str) -> Callable[[BaseException | None], None]:
        return lambda error: structlog.get_logger().critical(event, exc_info=error)

    process, thread, finaliser = log("process died"), log("thread died"), log("finaliser failed")
    sys.excepthook = lambda _type, error, _traceback: process(error)
    threading.excepthook = lambda died: thread(died.exc_value)
    sys.unraisablehook = lambda failed: finaliser(failed.exc_value)


def _nearest(levelno: int) -> int:
    """The standard level at or below a library's own."""
    return max(number for number in (logging.WARNING, logging.ERROR, logging.CRITICAL) if number <= levelno)
