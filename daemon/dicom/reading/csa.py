"""Siemens' private CSA header, second form ("SV10"): named lists of texts.

Layout (as SPM and nibabel describe it; Siemens does not): "SV10", four bytes, the number of entries and a check number;
an entry is a name (64 bytes), multiplicity, value representation (4 bytes), type, number of items and a check number;
an item is four numbers, the second its length, and its bytes, padded to a multiple of four. Numbers are 32-bit
little-endian.
"""

import struct
from collections.abc import Iterator
from typing import Final

_SIGNATURE: Final = b"SV10"
_ENTRIES: Final = struct.Struct("<8xI4x")
_ENTRY: Final = struct.Struct("<64si4siii")
_ITEM: Final = struct.Struct("<4I")
_ALIGNMENT: Final = 4


def csa_values(header: bytes, name: str) -> tuple[str, ...]:
    """The non-empty items of the entry ``name``; none if there is no such entry.

    Raises:
        ValueError: no CSA header of this form, or a damaged one.
    """
    if not header.startswith(_SIGNATURE):
        raise ValueError("no CSA header of the second form")
    try:
        return next((tuple(filter(None, items)) for entry, items in _entries(header) if entry == name), ())
    except struct.error as error:
        raise ValueError("the CSA header ends too early") from error


def _entries(header: bytes) -> Iterator[tuple[str, list[str]]]:
    (count,) = _ENTRIES.unpack_from(header)
    at = _ENTRIES.size
    for _ in range(count):
        name, _, _, _, number, _ = _ENTRY.unpack_from(header, at)
        at += _ENTRY.size
        items = []
        for _ in range(number):
            _, length, _, _ = _ITEM.unpack_from(header, at)
            at += _ITEM.size
            items.append(_text(header[at : at + length]))
            at += -(-length // _ALIGNMENT) * _ALIGNMENT
        yield _text(name), items


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("latin-1").strip()
