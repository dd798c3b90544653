"""What a log record may say: listed fields, simple values, tokens instead of UIDs, errors without their text.

Patients hide in places that no reviewer sees: a decoding error quotes the birth date, a warning the name, a UID
leads back to the archive. So nothing is let through for looking harmless. A field passes by its name, a value by
its type, a UID never, and of an error only its type and the places in our own code.
"""

import errno
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from traceback import walk_tb
from types import TracebackType

from structlog.typing import EventDict, WrappedLogger

from daemon.core.errors import ScansideError
from daemon.core.tokens import token

#: Fields whose whole value is a UID, or a key made of one: always a token.
UID_FIELDS = frozenset({"instance", "series", "study", "workflow"})

#: Fields that may be logged; a value under any other name is dropped, and counted in ``scrubbed``.
FIELDS = UID_FIELDS | {
    *("timestamp", "level", "event", "logger", "at"),
    *("error", "trace", "caused_by", "errno", "detail", "category"),
    *("scanner", "calling_ae", "called_ae", "peer", "association", "associations", "status", "code", "outcome"),
    *("modality", "sop_class_uid", "transfer_syntax_uid", "images", "instances", "frames", "volumes", "bytes"),
    *("revision", "closed_by", "partial", "stage", "loop", "verdict", "cause", "reason", "kind", "card"),
    *("seconds", "duration_s", "age_s", "timeout_s", "attempt", "attempts", "queue"),
    *("destination", "provider", "bundle", "bundle_version", "bundle_digest", "software_version", "config_digest"),
    *("segment", "segments", "offset", "length", "records", "files", "free_bytes"),
    *("host", "port", "pid", "signal", "exit_code", "workers"),
}

_FIRST = ("timestamp", "level", "event")
_LENGTH_MAX = 300
_TOKEN = re.compile(r"[0-9a-f]{12}")
#: Five components and more: an IPv4 address or a version number has fewer, and 2.25 is followed by a UUID.
_UID = re.compile(r"(?<![\w.])(?:[0-2](?:\.\d+){4,}|2\.25\.\d+)(?![\w])")
#: The standard's own registry (PS3.6, Annex A): SOP classes and transfer syntaxes, never a patient's object.
_REGISTERED = "1.2.840.10008."
_OURS = ("daemon", "models", "__main__")


@dataclass(frozen=True, slots=True)
class Redaction:
    """The structlog processor that every record passes last before it is rendered."""

    site_key: bytes

    def __call__(self, _logger: WrappedLogger, _method: str, record: EventDict) -> EventDict:
        """Keep what may be said, in a fixed order: time, level, event, then the rest."""
        if (error := _error(record.pop("exc_info", None))) is not None:
            record.update(describe(error))
        names = [*_FIRST, *(name for name in record if name not in _FIRST)]
        kept = {name: self._scrub(name, record[name]) for name in names if name in FIELDS and name in record}
        dropped = len(record) - len(kept)
        return kept | ({"scrubbed": dropped} if dropped else {})

    def _scrub(self, name: str, value: object) -> object:
        """A number, a truth or a short text passes; of anything else only its type does."""
        plain = value.value if isinstance(value, Enum) else value
        if name in UID_FIELDS:
            return self._pseudonym(str(plain))
        if isinstance(plain, str):
            return _UID.sub(self._replace, str(plain))[:_LENGTH_MAX]
        if isinstance(plain, float) and not math.isfinite(plain):
            return f"{plain:f}"
        if plain is None or type(plain) in {bool, int, float}:
            return plain
        if isinstance(plain, tuple) and all(type(part) is int for part in plain):  # a DICOM code of several numbers
            return list(plain)
        return f"<{type(plain).__qualname__}>"

    def _pseudonym(self, text: str) -> str:
        return text if _TOKEN.fullmatch(text) else token(text, self.site_key)

    def _replace(self, found: re.Match[str]) -> str:
        uid = found.group()
        return uid if uid.startswith(_REGISTERED) else token(uid, self.site_key)


def describe(error: BaseException) -> Mapping[str, object]:
    """Fields for an error: its type, the types behind it, where it was raised, the path through our own code.

    Foreign text is dropped. That of our own errors is kept, for they quote no header value (``daemon.core.errors``);
    one that repeats the text of the error behind it is not trusted, and loses its own.
    """
    behind = list(_behind(error))
    fields: dict[str, object] = {"error": _name(error)} | _whereabouts(error.__traceback__)
    if behind:
        fields["caused_by"] = " < ".join(_name(cause) for cause in behind)
    if numbers := [cause.errno for cause in (error, *behind) if isinstance(cause, OSError) and cause.errno]:
        fields["errno"] = errno.errorcode.get(numbers[0], str(numbers[0]))
    if isinstance(error, ScansideError) and not _quotes(str(error), behind):
        fields["detail"] = str(error)
    return fields


def place(path: str, line: int) -> str:
    """``package/module.py:line``: enough to find the words in the library's source."""
    return f"{'/'.join(PurePath(path).parts[-2:])}:{line}"


def _error(exc_info: object) -> BaseException | None:
    """The exception of a log call, in each of the forms in which the standard library passes one."""
    found = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    return found if isinstance(found, BaseException) else None


def _behind(error: BaseException) -> Iterator[BaseException]:
    seen = {id(error)}
    while (cause := error.__cause__ or error.__context__) is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        error = cause


def _quotes(text: str, behind: list[BaseException]) -> bool:
    words = {word for cause in behind for word in (str(cause), *cause.args) if isinstance(word, str) and word}
    return any(word in text for word in words)


def _name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")


def _whereabouts(traceback: TracebackType | None) -> dict[str, object]:
    """``at``: where it was raised; ``trace``: the way there through our code, ``daemon.line.workflow:40 > ...``."""
    frames = [(frame.f_globals.get("__name__", ""), frame.f_code, line) for frame, line in walk_tb(traceback)]
    if not frames:
        return {}
    ours = [f"{module}:{line}" for module, _, line in frames if str(module).partition(".")[0] in _OURS]
    return {"at": place(frames[-1][1].co_filename, frames[-1][2]), "trace": " > ".join(ours)}
