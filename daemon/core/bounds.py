"""What a setting may be, stated next to its field: ``port: Port``, ``silence_s: Annotated[float, Range(0.5, 3600)]``.

The configuration holds a file to them (``daemon/structuring.py``); a value made in code is its maker's concern. No
objection quotes a text: addresses hold passwords.
"""

import math
import re
from collections.abc import Collection, Sized
from dataclasses import dataclass
from ipaddress import ip_address
from string import Formatter
from typing import Annotated, Protocol
from urllib.parse import urlsplit

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\.?\Z){_LABEL}(\.{_LABEL})*\.?")
_AE_TITLE_LENGTH, _TCP_PORTS = 16, 65535
_DAY_S = 86_400.0


class Bound(Protocol):
    """One condition that a value of the right type must fulfil."""

    def objection(self, value: object) -> str:
        """What is wrong and what to write instead; empty where nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Range:
    """A number from ``least`` to ``most``, ends included; ``note`` says what an end means."""

    least: float
    most: float = math.inf
    note: str = ""

    def objection(self, value: object) -> str:
        """Also of what is no finite number."""
        if isinstance(value, int | float) and math.isfinite(value) and self.least <= value <= self.most:
            return ""
        wanted = f"of at least {self.least:,g}" if math.isinf(self.most) else f"from {self.least:,g} to {self.most:,g}"
        return f"{value} is out of range, write a number {wanted}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True, slots=True)
class Finite:
    """A number that is one."""

    def objection(self, value: object) -> str:
        """Infinities and NaN."""
        return "" if isinstance(value, int | float) and math.isfinite(value) else f"{value} is no number, write one"


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """At least one member or letter."""

    def objection(self, value: object) -> str:
        """Of what has no length too."""
        return "" if isinstance(value, Sized) and len(value) else "empty, write at least one, or leave the key out"


@dataclass(frozen=True, slots=True)
class Distinct:
    """No member twice."""

    def objection(self, value: object) -> str:
        """Members that are the same."""
        members = list(value) if isinstance(value, Collection) else []
        return "" if len(set(members)) == len(members) else "the same twice, write each once"


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of some words."""

    words: tuple[str, ...]

    def objection(self, value: object) -> str:
        """Another word."""
        return "" if value in self.words else f"not known, write {' or '.join(self.words)}"


@dataclass(frozen=True, slots=True)
class Line:
    """Text on one line, printable, with something to read in it; nothing where ``optional``."""

    length_max: int = 64
    optional: bool = False

    def objection(self, value: object) -> str:
        """Control characters, line breaks, too long, or nothing but blanks."""
        text = str(value)
        if self.optional and not text:
            return ""
        if text.strip() and text.isprintable() and len(text) <= self.length_max:
            return ""
        return f"no text to show, write 1 to {self.length_max} printable characters"


@dataclass(frozen=True, slots=True)
class Template:
    """Text in which these ``names`` in braces are filled in, and nothing else; on one line unless ``lines``."""

    names: tuple[str, ...]
    lines: bool = False
    length_max: int = 500

    def objection(self, value: object) -> str:
        """Another name, an attribute, an index, a conversion, a width; control characters; too long."""
        text = str(value)
        plain = text.replace("\n", "") if self.lines else text
        if not plain.isprintable() or len(text) > self.length_max:
            return f"no text to send, write up to {self.length_max} printable characters"
        known = " or ".join(f"{{{name}}}" for name in self.names)
        return "" if self._is_plain(text) else f"a brace that names nothing, write {known}, and {{{{ for a brace"

    def _is_plain(self, text: str) -> bool:
        try:
            parts = [part[1:] for part in Formatter().parse(text) if part[1] is not None]
        except ValueError:
            return False
        return all(name in self.names and not width and conversion is None for name, width, conversion in parts)


@dataclass(frozen=True, slots=True)
class PlainName:
    """A name that may be part of a file's."""

    def objection(self, value: object) -> str:
        """Separators, blanks, a dot in front, more than 64 characters."""
        plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", str(value))
        return "" if plain else "no plain name, write 1 to 64 letters, digits, dots, hyphens and underscores"


@dataclass(frozen=True, slots=True)
class Title:
    """An application entity's title: the default repertoire but the backslash, 1 to 16 characters (PS3.5 6.2, AE)."""

    def objection(self, value: object) -> str:
        """Blanks in front and behind are not significant, so they are no title, and are not written."""
        text = str(value)
        plain = text.isascii() and text.isprintable() and "\\" not in text and text == text.strip()
        if plain and 1 <= len(text) <= _AE_TITLE_LENGTH:
            return ""
        return "not an AE title, write 1 to 16 ASCII characters without backslash, and no blanks at the ends"


@dataclass(frozen=True, slots=True)
class HostName:
    """A host's name (RFC 1123, and underscores) or address alone; nothing where ``optional``."""

    optional: bool = False

    def objection(self, value: object) -> str:
        """Anything that is neither."""
        return (
            ""
            if is_host(str(value)) or (self.optional and not value)
            else "not a host, write its name or address alone, such as 10.1.2.3"
        )


@dataclass(frozen=True, slots=True)
class Url:
    """An address with one of these schemes, with a host where ``hosted``; nothing where ``optional``."""

    schemes: tuple[str, ...]
    optional: bool = False
    hosted: bool = True

    def objection(self, value: object) -> str:
        """Another scheme, no host, an impossible port, blanks or control characters."""
        text = str(value)
        if (self.optional and not text) or self._is_url(text):
            return ""
        return f"not an address, write {' or '.join(f'{scheme}://...' for scheme in self.schemes)}"

    def _is_url(self, text: str) -> bool:
        try:
            parts = urlsplit(text)
            parted = parts.scheme.lower() in self.schemes and (parts.port is None or parts.port > 0)
        except ValueError:  # the port, or brackets of an IPv6 address
            return False
        host = parts.hostname or ""
        plain = text.isprintable() and not any(letter.isspace() for letter in text)
        return plain and parted and "://" in text and (is_host(host) if host or self.hosted else True)


def is_host(text: str) -> bool:
    """Whether a text is a host's name or its address."""
    try:
        ip_address(text)
    except ValueError:
        # what has digits and dots alone would be an address, and is none
        return bool(_HOST_NAME.fullmatch(text)) and not re.fullmatch(r"[0-9.]+", text)
    return True


AeTitle = Annotated[str, Title()]
Host = Annotated[str, HostName()]
Name = Annotated[str, Line()]
#: Of a peer.
Port = Annotated[int, Range(1, _TCP_PORTS)]
#: Of our own.
FreePort = Annotated[int, Range(0, _TCP_PORTS, "0 takes a free one")]
#: How long to wait for something: nothing at all would never find it.
Timeout = Annotated[float, Range(0.1, _DAY_S)]
#: How long to hold back: nothing at all is a wish too.
Pause = Annotated[float, Range(0, _DAY_S)]
