"""Encoded data sets to pydicom data sets; what is damaged is left out, never raised."""

import struct
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Final

from pydicom.charset import default_encoding
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import BytesLengthException
from pydicom.filereader import data_element_generator, read_sequence
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRLittleEndian

from daemon.core.errors import NotAssessable, Reason

#: What pydicom raises where the content is damaged; it has no base class of its own for this.
MALFORMED: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BytesLengthException,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)

#: Reads that parsing may take: an Enhanced MR object of 5000 frames takes a million, a classic header a thousand. A
#: flood of empty items would cost a hundred times its size in memory.
_READS_MAX: Final = 1_500_000
_HEADER_READS_MAX: Final = 50_000

#: A DICOM file's start, and the elements that say where and how its data set is encoded (PS3.10, 7.1).
_PREAMBLE: Final = 128
_PREFIX: Final = b"DICM"
_GROUP_LENGTH: Final = 0x00020000
_GROUP_LENGTH_SIZE: Final = 12
_TRANSFER_SYNTAX: Final = 0x00020010


class _Counted(BytesIO):
    """Bytes that can be read from only so often."""

    def __init__(self, content: bytes, reads_max: int) -> None:
        super().__init__(content)
        self._left = reads_max

    def read(self, size: int | None = -1, /) -> bytes:
        """As ``BytesIO.read``.

        Raises:
            EOFError: the data set is made of more pieces than any real one.
        """
        self._left -= 1
        if self._left < 0:
            raise EOFError("more pieces than any real data set has")
        return super().read(size)


def parse(encoded: bytes, transfer_syntax_uid: str, tags: Iterable[int] = ()) -> Dataset:
    """The data set that ``encoded`` holds (PS3.5, 7.1), up to where it is damaged.

    With ``tags`` only these are kept, and reading ends behind the last of them. Nothing is decoded yet. Deflated
    data sets give an empty one: no scanner sends them, and inflating is unbounded. An unknown transfer syntax is read
    as Explicit VR Little Endian and not noted in the data set.
    """
    wanted = sorted(tags)
    syntax = uid(transfer_syntax_uid)
    dataset = Dataset(_elements(encoded, _readable(syntax), wanted))
    dataset.file_meta = FileMetaDataset()
    if syntax.is_transfer_syntax:
        dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def parse_file(content: bytes) -> Dataset:
    """The data set of a DICOM file (PS3.10, 7.1), up to where it is damaged.

    Raises:
        NotAssessable: UNREADABLE, it is no DICOM file.
    """
    return parse(*unwrap(content))


def unwrap(content: bytes) -> tuple[bytes, str]:
    """The encoded data set of a DICOM file, as it is, and its transfer syntax UID (PS3.10, 7.1).

    Raises:
        NotAssessable: UNREADABLE, it is no DICOM file.
    """
    start = _PREAMBLE + len(_PREFIX)
    meta = parse(content[start:], ExplicitVRLittleEndian, (_GROUP_LENGTH, _TRANSFER_SYNTAX))
    length, syntax = (meta.get_item(tag, keep_deferred=True) for tag in (_GROUP_LENGTH, _TRANSFER_SYNTAX))
    if not content.startswith(_PREFIX, _PREAMBLE) or not (length and length.value and syntax and syntax.value):
        raise NotAssessable(Reason.UNREADABLE, "no DICOM file")
    end = start + _GROUP_LENGTH_SIZE + int.from_bytes(length.value, "little")
    return content[end:], syntax.value.decode("latin-1").rstrip(" \0")


def parse_items(element: RawDataElement) -> tuple[Dataset, ...]:
    """The items of a sequence of stated length, which :func:`parse` leaves as bytes; none if it is damaged."""
    value = element.value or b""
    source = _Counted(value, _READS_MAX)
    try:
        with quietly():
            return tuple(
                read_sequence(source, element.is_implicit_VR, element.is_little_endian, len(value), default_encoding)
            )
    except MALFORMED:
        return ()


def uid(text: str) -> UID:
    """A UID from outside, unchecked: pydicom would quote a wrong one in its log."""
    return UID(text, IGNORE)


@contextmanager
def quietly() -> Iterator[None]:
    """Without pydicom's warnings: they may quote patients, and the answer to damaged data is a reason.

    Filters belong to the process: two threads in here at once may lose a warning, nothing else.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _readable(syntax: UID) -> UID | None:
    """The syntax whose encoding rules apply; those of Explicit VR Little Endian where it is unknown."""
    if not syntax.is_transfer_syntax:
        return ExplicitVRLittleEndian
    return None if syntax.is_deflated else syntax


def _elements(encoded: bytes, syntax: UID | None, wanted: list[int]) -> dict[BaseTag, RawDataElement | DataElement]:
    elements: dict[BaseTag, RawDataElement | DataElement] = {}
    if syntax is None:
        return elements
    last = wanted[-1] if wanted else None

    def beyond(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return last is not None and int(tag) > last  # int: a tag's own comparison is Python code

    source = _Counted(encoded, _HEADER_READS_MAX if wanted else _READS_MAX)
    reader = data_element_generator(
        source, syntax.is_implicit_VR, syntax.is_little_endian, beyond, specific_tags=list(wanted) or None
    )
    try:
        with quietly():
            for element in reader:
                elements[element.tag] = element
    except MALFORMED:
        pass  # what was read so far is what is known
    return elements
