"""One encoded object to what the reader needs of it: a few elements of its header; its pixel data stay where they lie.

Memory therefore follows the number of frames, not the size of the object, nor what else its header holds.
"""

import struct
from collections.abc import Callable
from typing import Final

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage, MRImageStorage

from daemon.core.errors import NotAssessable, Reason
from daemon.core.judging.own_past import PARAMETER_NUMBERS, PARAMETER_WORDS
from daemon.core.judging.routing import FREE_TEXT, NUMBERS, WORDS
from daemon.core.ports import Content
from daemon.dicom.attributes import Attributes, PrivateName, element_of, private_tags
from daemon.dicom.content import Limits, Section, Stream
from daemon.dicom.parsing import HEADER_LIMITS, data_set_of, elements, encoding_rules, with_syntax
from daemon.dicom.reading.dimensions import DIMENSIONS, PRIVATE_NAMES

#: Siemens' description of a mosaic.
CSA_HEADER: Final = PrivateName(0x0029, "SIEMENS CSA HEADER", 0x10, "OB")

#: The objects that are read.
IMAGES: Final = frozenset({MRImageStorage, EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage})

#: What the reader asks for beside the dimensions and the facts that routes know.
_KEYWORDS: Final = (
    *(keyword for dimension in DIMENSIONS for keyword in dimension.keywords),
    *(name for name in (*WORDS, *NUMBERS, *FREE_TEXT) if tag_for_keyword(name) is not None),
    *("EffectiveEchoTime", "InversionTimes", "FrameType", "PulseSequenceName"),
    *("EchoPulseSequence", "InversionRecovery", "EchoPlanarPulseSequence"),
    *("AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime", "FrameAcquisitionDateTime"),
    *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StationName"),
    *("InstanceNumber", "StackID", "ImagePositionPatient", "ImageOrientationPatient", "SpacingBetweenSlices"),
    "SliceThickness",
    *("RescaleSlope", "RescaleIntercept", "LossyImageCompression", "SamplesPerPixel", "PhotometricInterpretation"),
    *("NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    *PARAMETER_WORDS,
    *PARAMETER_NUMBERS,
)
#: What a multi-frame object says of all its frames, and of each (PS3.3, C.7.6.16).
_GROUPS: Final = (int(Tag("SharedFunctionalGroupsSequence")), int(Tag("PerFrameFunctionalGroupsSequence")))
_TAGS: Final = frozenset(
    {
        *_GROUPS,
        *(int(Tag(keyword)) for keyword in _KEYWORDS),
        *(tag for name in (*PRIVATE_NAMES, CSA_HEADER) for tag in private_tags(name)),
    }
)
_FRAMES: Final = int(Tag("NumberOfFrames"))
_PIXEL_DATA: Final = 0x7FE00010

#: Longer values are none that the reader knows; the CSA header has 12 kB.
_VALUE_BYTES_MAX: Final = 1 << 16
#: What a frame may add to the pieces of a header, scanners add up to 410; and to how many in all.
_PIECES_A_FRAME, _PIECES_MAX = 600, 1_000_000

#: Bytes in front of a value: tag and length; tag, representation and length (PS3.5, 7.1.2 and 7.1.3).
_SHORT_HEAD, _LONG_HEAD, _UNDEFINED = 8, 12, 0xFFFFFFFF


class ImageHeader(Dataset):
    """The elements of an object that the reader asks for.

    Attributes:
        pixels: The value of its pixel data, where it lies; None where it has none.
    """

    pixels: Content | None = None


def read_image(content: Content, transfer_syntax_uid: str) -> ImageHeader:
    """The header of one object, up to where it is damaged; not a byte of its pixel data is read.

    Raises:
        NotAssessable: UNREADABLE, it has more elements than any real object; UNSUPPORTED, it is deflated.
        SpoolError: the content can no longer be read.
    """
    if encoding_rules(transfer_syntax_uid) is None:
        raise NotAssessable(Reason.UNSUPPORTED, "a deflated data set")
    stream = Stream(content, HEADER_LIMITS)
    header = ImageHeader()
    with_syntax(header, transfer_syntax_uid)
    for tag, element in elements(stream, transfer_syntax_uid, _PIXEL_DATA - 1, _TAGS, _VALUE_BYTES_MAX):
        if tag == _FRAMES and _FRAMES not in header:  # once: who states it again and again gets no more
            header[tag] = element
            stream.allow(limits_of(header))
        header[tag] = element
    for group in _GROUPS:
        sequence = element_of(header, group)
        if isinstance(sequence, RawDataElement) and 0 < sequence.length <= HEADER_LIMITS.bytes:
            header[group] = sequence._replace(value=content.read(sequence.value_tell, sequence.length))
    stream.check()
    sop_class = Attributes((header,)).text("SOPClassUID")
    if stream.exceeded and (sop_class is None or sop_class in IMAGES):  # reports may be long: they are left out
        raise NotAssessable(Reason.UNREADABLE, "more elements than any image has")
    header.pixels = _pixels(content, stream.tell(), transfer_syntax_uid)
    return header


def read_file(content: Content) -> ImageHeader:
    """The same of a DICOM file.

    Raises:
        NotAssessable: as ``read_image``; UNREADABLE, it is no DICOM file.
    """
    return read_image(*data_set_of(content))


def limits_of(header: Dataset) -> Limits:
    """How much the functional groups of an object may hold, by the number of its frames."""
    frames = max(Attributes((header,)).integer("NumberOfFrames") or 1, 1)
    return Limits(min(HEADER_LIMITS.pieces + _PIECES_A_FRAME * frames, _PIECES_MAX), HEADER_LIMITS.bytes)


def reduced(item: Dataset) -> Dataset:
    """The elements of an item that the reader asks for."""
    return _part(item, _TAGS.__contains__)


def without_groups(header: Dataset) -> Dataset:
    """The header of a multi-frame object without what it says of its frames."""
    return _part(header, lambda tag: tag not in _GROUPS)


def _part(dataset: Dataset, wanted: Callable[[int], bool]) -> Dataset:
    found = (dataset.get_item(tag, keep_deferred=True) for tag in dataset.keys() if wanted(int(tag)))  # noqa: SIM118 - iterating a Dataset converts its elements
    return Dataset({element.tag: element for element in found})


def _pixels(content: Content, at: int, transfer_syntax_uid: str) -> Content | None:
    """The value of the pixel data that begin at ``at`` (PS3.5, 7.1.2 and 7.1.3)."""
    syntax = encoding_rules(transfer_syntax_uid)
    if syntax is None:
        return None
    order = "<" if syntax.is_little_endian else ">"
    start = _SHORT_HEAD if syntax.is_implicit_VR else _LONG_HEAD
    head = content.read(at, start)
    if len(head) < start or struct.unpack_from(f"{order}HH", head) != (_PIXEL_DATA >> 16, _PIXEL_DATA & 0xFFFF):
        return None
    (length,) = struct.unpack_from(f"{order}L", head, start - 4)
    rest = content.length - at - start
    return Section(content, at + start, rest if length == _UNDEFINED else min(length, rest))
