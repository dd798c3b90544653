"""Encoded data sets to pydicom data sets; what is damaged is left out, never raised."""

import struct
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
from daemon.core.ports import Content
from daemon.dicom.content import InMemory, Limits, Section, Stream

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

#: What parsing may take. Real classic headers have up to 2,000 pieces, 20,000 with all that lies behind them.
HEADER_LIMITS: Final = Limits(pieces=20_000, bytes=64 << 20)
LIMITS: Final = Limits(pieces=2_500_000, bytes=4 << 30)

#: A DICOM file's start, and the elements that say where and how its data set is encoded (PS3.10, 7.1).
_PREAMBLE: Final = 128
_PREFIX: Final = b"DICM"
_GROUP_LENGTH: Final = 0x00020000
_GROUP_LENGTH_SIZE: Final = 12
_TRANSFER_SYNTAX: Final = 0x00020010


def parse(encoded: bytes | Content, transfer_syntax_uid: str, tags: Iterable[int] = ()) -> Dataset:
    """The data set that ``encoded`` holds (PS3.5, 7.1), up to where it is damaged or has more pieces than any real one.

    With ``tags`` only these are kept, and reading ends behind the last of them. Nothing is decoded yet. Deflated
    data sets give an empty one: no scanner sends them, and inflating is unbounded. An unknown transfer syntax is read
    as Explicit VR Little Endian and not noted in the data set.

    Raises:
        SpoolError: the content can no longer be read.
    """
    wanted = sorted(tags)
    content = InMemory(encoded) if isinstance(encoded, bytes) else encoded
    stream = Stream(content, HEADER_LIMITS if wanted else LIMITS)
    dataset = with_syntax(Dataset(), transfer_syntax_uid)
    last = wanted[-1] if wanted else None
    dataset.update(dict(elements(stream, transfer_syntax_uid, last, wanted)))
    stream.check()
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
    section, syntax = data_set_of(InMemory(content))
    return content[section.start :], syntax


def data_set_of(file: Content) -> tuple[Section, str]:
    """The same of a file that stays where it lies.

    Raises:
        NotAssessable: UNREADABLE, it is no DICOM file.
    """
    start, length = _PREAMBLE + len(_PREFIX), file.length
    meta = parse(
        Section(file, start, max(length - start, 0)), ExplicitVRLittleEndian, (_GROUP_LENGTH, _TRANSFER_SYNTAX)
    )
    size, syntax = (meta.get_item(tag, keep_deferred=True) for tag in (_GROUP_LENGTH, _TRANSFER_SYNTAX))
    if file.read(_PREAMBLE, len(_PREFIX)) != _PREFIX or not (size and size.value and syntax and syntax.value):
        raise NotAssessable(Reason.UNREADABLE, "no DICOM file")
    end = start + _GROUP_LENGTH_SIZE + int.from_bytes(size.value, "little")
    return Section(file, end, max(length - end, 0)), syntax.value.decode("latin-1").rstrip(" \0")


def parse_items(element: RawDataElement, limits: Limits = LIMITS) -> tuple[Dataset, ...]:
    """The items of a sequence of stated length, which :func:`parse` leaves as bytes; none if it is damaged."""
    value = element.value or b""
    stream = Stream(InMemory(value), limits)
    try:
        with quietly():
            return tuple(
                read_sequence(stream, element.is_implicit_VR, element.is_little_endian, len(value), default_encoding)
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


def with_syntax(dataset: Dataset, transfer_syntax_uid: str) -> Dataset:
    """The data set, with a note of its transfer syntax where that is one."""
    syntax = uid(transfer_syntax_uid)
    dataset.file_meta = FileMetaDataset()
    if syntax.is_transfer_syntax:
        dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def encoding_rules(transfer_syntax_uid: str) -> UID | None:
    """The syntax whose rules of encoding apply; those of Explicit VR Little Endian where it is unknown.

    None: deflated, none that can be read.
    """
    syntax = uid(transfer_syntax_uid)
    if not syntax.is_transfer_syntax:
        return ExplicitVRLittleEndian
    return None if syntax.is_deflated else syntax


def elements(
    stream: Stream,
    transfer_syntax_uid: str,
    last: int | None = None,
    wanted: Iterable[int] = (),
    longest: int | None = None,
) -> Iterator[tuple[BaseTag, RawDataElement | DataElement]]:
    """The elements of a data set up to the tag ``last`` or to where it is damaged, by their tags; only the ``wanted``.

    Values of more than ``longest`` bytes stay where they are, as None. The stream stops in front of the first element
    behind ``last``.
    """
    syntax = encoding_rules(transfer_syntax_uid)
    if syntax is None:
        return

    def beyond(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return last is not None and int(tag) > last  # int: a tag's own comparison is Python code

    reader = data_element_generator(
        stream, syntax.is_implicit_VR, syntax.is_little_endian, beyond, longest, specific_tags=list(wanted) or None
    )
    try:
        with quietly():
            for element in reader:
                yield element.tag, element
    except MALFORMED:
        pass  # what was read so far is what is known
