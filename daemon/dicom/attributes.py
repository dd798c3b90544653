"""Attributes of one image, whatever state its header is in: absent, empty or unreadable all mean silence.

Values are taken from the raw bytes: pydicom's own conversion checks every value, warns with the value in the text, and
gives up on a value representation that is wrong. A value representation here is a hint, the data dictionary another.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from pydicom.charset import decode_bytes, python_encoding
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import TEXT_VR_DELIMS

from daemon.dicom.content import Limits
from daemon.dicom.parsing import LIMITS, parse_items, quietly

#: Binary value representations (PS3.5, 6.2) as struct formats.
_BINARY: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "US or SS": "H"}

#: No position, time or slope of a scanner is larger; squares and products of such numbers stay finite.
_LARGEST: Final = 1e9

Name = str | int

#: Blocks that private creators reserve first; PS3.5, 7.8.1 has up to FF, which nobody has been seen to need.
_BLOCKS: Final = range(0x10, 0x20)
#: By keyword or number; looking one up in the dictionary takes longer than reading its value.
_tag: Final = cache(Tag)


@dataclass(frozen=True, slots=True)
class PrivateName:
    """A private element: its group, its creator, its place in the creator's block, and the ``VR`` it has there."""

    group: int
    creator: str
    element: int
    VR: str


@dataclass(frozen=True, slots=True)
class Attributes:
    """A header in layers; the first layer with a value for an attribute counts.

    A classic image has one layer, its data set. A frame of a multi-frame image has the items of its functional groups,
    then those it shares with all frames, then the data set (PS3.3, C.7.6.16).

    An attribute is named by its DICOM keyword or by its tag.
    """

    layers: tuple[Dataset, ...]

    def texts(self, name: Name) -> tuple[str, ...]:
        """The values as text without padding."""
        return tuple(str(value).strip(" \0") for value in self._values(name))

    def text(self, name: Name) -> str | None:
        """The first value as text; None if silent or empty."""
        return next((text for text in self.texts(name) if text), None)

    def numbers(self, name: Name) -> tuple[float, ...]:
        """The values as numbers; empty if any of them is none, not finite or absurdly large."""
        try:
            numbers = tuple(float(str(value)) for value in self._values(name))
        except ValueError:
            return ()
        return numbers if all(math.isfinite(n) and abs(n) <= _LARGEST for n in numbers) else ()

    def private_numbers(self, name: PrivateName) -> tuple[float, ...]:
        """The values of a private element as finite numbers; empty if any is none, or there is no such element."""
        elements = (private_element(layer, name) for layer in self.layers)
        values = next((_values(element) for element in elements if element is not None), ())
        try:
            numbers = tuple(float(str(value)) for value in values)
        except ValueError:
            return ()
        return numbers if all(map(math.isfinite, numbers)) else ()

    def number(self, name: Name) -> float | None:
        """The first value as a number, None if silent."""
        return next(iter(self.numbers(name)), None)

    def integer(self, name: Name) -> int | None:
        """The first value as a whole number, None if silent or no whole number."""
        number = self.number(name)
        return int(number) if number is not None and number.is_integer() else None

    def _elements(self, name: Name) -> Iterator[RawDataElement | DataElement]:
        return (element for layer in self.layers if (element := element_of(layer, name)) is not None)

    def _values(self, name: Name) -> tuple[object, ...]:
        return next(filter(None, map(_values, self._elements(name))), ())

    def decoded_text(self, name: Name) -> str | None:
        """The first value in the header's own character set (PS3.5, 6.1.2); None if silent or empty."""
        element = next((element for element in self._elements(name) if element.value), None)
        if not isinstance(element, RawDataElement) or element.value is None:
            return self.text(name)
        with quietly():
            text = decode_bytes(element.value, self._encodings(), TEXT_VR_DELIMS)
        return text.split("\\")[0].strip(" \0") or None

    def _encodings(self) -> list[str]:
        named = (python_encoding.get(name) for name in self.texts("SpecificCharacterSet"))
        # an unknown character set is read as Latin-1, in which every byte is a character
        return [name or "iso8859" for name in named] or ["iso8859"]


def element_of(dataset: Dataset, name: Name) -> RawDataElement | DataElement | None:
    """The element as it is, not converted; None if absent."""
    return dataset.get_item(_tag(name), keep_deferred=True)


def private_element(dataset: Dataset, name: PrivateName) -> RawDataElement | DataElement | None:
    """The element in whichever block its creator has reserved, not converted; None if absent."""
    header = Attributes((dataset,))
    for block in _BLOCKS:
        creator = name.group << 16 | block
        if element_of(dataset, creator) is not None and header.text(creator) == name.creator:
            element = element_of(dataset, name.group << 16 | block << 8 | name.element)
            # who passed it on may not have known its representation
            if isinstance(element, RawDataElement) and element.VR in (None, "UN"):
                return element._replace(VR=name.VR)
            return element
    return None


def private_tags(name: PrivateName) -> Iterator[int]:
    """Every tag at which the element may stand, and those of the creators of its group."""
    for block in _BLOCKS:
        yield name.group << 16 | block
        yield name.group << 16 | block << 8 | name.element


def items(dataset: Dataset, keyword: str, limits: Limits = LIMITS) -> tuple[Dataset, ...]:
    """The items of a sequence; none if it is absent, cannot be parsed or is beyond ``limits``."""
    element = element_of(dataset, keyword)
    if isinstance(element, RawDataElement):
        return parse_items(element, limits)
    return tuple(element.value) if element is not None and isinstance(element.value, Sequence) else ()


def _values(element: RawDataElement | DataElement) -> tuple[object, ...]:
    return _decoded(element) if isinstance(element, RawDataElement) else _converted(element)


def _converted(element: DataElement) -> tuple[object, ...]:
    """Values of an element that pydicom has already converted, as in a data set built in memory."""
    value = element.value
    if isinstance(value, MultiValue | list | tuple):
        return tuple(value)
    return () if value is None or value == "" or isinstance(value, Sequence) else (value,)


def _decoded(element: RawDataElement) -> tuple[object, ...]:
    value = element.value
    if not value:
        return ()
    form = _BINARY.get(_representation(element))
    if form is None:
        return tuple(value.decode("latin-1").rstrip(" \0").split("\\"))
    return tuple(_unpacked(value, ("<" if element.is_little_endian else ">") + form))


def _unpacked(value: bytes, form: str) -> Iterator[float]:
    size = struct.calcsize(form)
    whole = len(value) - len(value) % size
    return (number for (number,) in struct.iter_unpack(form, value[:whole]))


def _representation(element: RawDataElement) -> str:
    """The stated value representation, else the dictionary's; private bytes are taken as US, their creators as text."""
    if element.VR not in (None, "UN"):
        return str(element.VR)
    if BaseTag(element.tag).is_private:
        return "LO" if BaseTag(element.tag).is_private_creator else "US"
    try:
        return dictionary_VR(element.tag)
    except KeyError:
        return "UN"
