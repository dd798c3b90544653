"""The stored values of one data set's frames, decoded one at a time.

Which decoder reads which transfer syntax is fixed, so that the same bytes always give the same values. All of them are
permissively licensed: python-gdcm (Apache-2.0), pyjpegls and pylibjpeg-openjpeg (MIT); pylibjpeg-libjpeg is GPL.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames, parse_basic_offsets, parse_fragments
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    UncompressedTransferSyntaxes,
)

from daemon.core.errors import NotAssessable, Reason
from daemon.core.ports import Content
from daemon.dicom.attributes import Attributes, element_of
from daemon.dicom.content import InMemory, Limits, Stream
from daemon.dicom.parsing import MALFORMED, quietly, uid
from daemon.dicom.reading.codestreams import image_size
from daemon.dicom.reading.objects import ImageHeader

Stored = npt.NDArray[np.integer]

#: pydicom's name for the decoder of each lossless transfer syntax (PS3.5, A.4); uncompressed ones need none.
_DECODERS: Final = {
    **dict.fromkeys(UncompressedTransferSyntaxes, ""),
    JPEGLossless: "gdcm",
    JPEGLosslessSV1: "gdcm",
    JPEGLSLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    HTJ2KLossless: "pylibjpeg",
    HTJ2KLosslessRPCL: "pylibjpeg",
    RLELossless: "pydicom",
}
_HTJ2K: Final = UID("1.2.840.10008.1.2.4.203")
#: May be lossy: JPEG 2000 without "Lossless" in its name need not be, but does not say (PS3.5, A.4.4).
_LOSSY: Final = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000, _HTJ2K})

_ALLOCATED: Final = (8, 16, 32)
_GREY, _INVERTED = "MONOCHROME2", "MONOCHROME1"

#: A lossless frame is never longer than this many times its raw size, plus room for headers: a bound for bombs.
_EXPANSION_MAX: Final = 2
_HEADERS_MAX: Final = 4096
#: Reads that finding one frame among its fragments may take, and finding how many fragments there are.
_FRAGMENTS_MAX: Final = 500_000
#: Bytes of a fragment's tag and length (PS3.5, A.4), and those of all fragments that an object may have.
_HEAD: Final = 8
_HEADS_MAX: Final = _HEAD * _FRAGMENTS_MAX


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelSource:
    """The pixel data of one data set, their description checked (PS3.3, C.7.6.3); read a frame at a time.

    ``padding``: the lowest and the highest stored value that is no image (C.7.5.1.1.2); ``inverted``: the lowest
    value is the brightest (C.7.6.3.1.2).
    """

    encoded: Content
    syntax: UID
    frames: int
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    padding: tuple[int, int] | None = None
    inverted: bool = False

    def image(self, index: int) -> Stored:
        """The stored values of one frame: integers (rows, columns), bits outside BitsStored cleared.

        Raises:
            NotAssessable: UNREADABLE, the pixel data are damaged or too short.
            SpoolError: they can no longer be read.
        """
        (image,) = self.images([index])
        return image

    def images(self, indices: Iterable[int]) -> Iterator[Stored]:
        """The same for several frames, in ascending order; one compressed frame is in memory at a time."""
        buffers = self._compressed(indices) if self.syntax.is_encapsulated else map(self._slice, indices)
        while True:
            try:
                with quietly():
                    image = self._decoded(next(buffers))
            except StopIteration:
                return
            except (*MALFORMED, RuntimeError) as error:  # RuntimeError: pydicom wraps what a decoder raises in it
                raise NotAssessable(Reason.UNREADABLE, f"pixel data, {type(error).__name__}") from error
            yield image

    @property
    def _length(self) -> int:
        """Bytes of one frame, uncompressed."""
        return self.rows * self.columns * self.bits_allocated // 8

    @property
    def _longest(self) -> int:
        """Bytes that one frame may have, compressed."""
        return _EXPANSION_MAX * self._length + _HEADERS_MAX

    def _slice(self, index: int) -> bytes:
        return self.encoded.read(index * self._length, self._length + self._length % 2)

    def _compressed(self, indices: Iterable[int]) -> Iterator[bytes]:
        """Each compressed frame, its fragments joined, as an encapsulated pixel data of its own."""
        if self._fragments:
            for index in indices:
                yield encapsulate([self._checked(self._fragment(self._fragments[index]))], has_bot=False)
            return
        stream = Stream(self.encoded, Limits(_FRAGMENTS_MAX, 1 << 60))
        frames, at = generate_frames(stream, number_of_frames=self.frames), 0
        for index in indices:
            for _ in range(at, index + 1):
                # a frame, the first fragment of the next, and the heads of all
                stream.allow(Limits(_FRAGMENTS_MAX, 2 * self._longest + _HEADS_MAX))
                frame = next(frames, None)
            stream.check()
            if frame is None:
                raise EOFError("fewer frames than stated")
            at = index + 1
            yield encapsulate([self._checked(frame)], has_bot=False)

    @cached_property
    def _fragments(self) -> list[int]:
        """Where the fragment of each frame begins; none where not every frame is one fragment."""
        stream = Stream(self.encoded, Limits(_FRAGMENTS_MAX, _HEADS_MAX))
        parse_basic_offsets(stream)
        count, offsets = parse_fragments(stream)
        stream.check()
        if stream.exceeded:  # which pydicom takes for the end
            raise EOFError("more fragments than any real object has")
        return offsets if count == self.frames else []

    def _fragment(self, at: int) -> bytes:
        (length,) = struct.unpack("<L", self.encoded.read(at, _HEAD)[_HEAD // 2 :])
        if length > self._longest:
            raise ValueError("the compressed frame is far longer than its image")
        return self.encoded.read(at + _HEAD, length)

    def _checked(self, frame: bytes) -> bytes:
        """The compressed frame, if it will not grow beyond the size its header states."""
        if len(frame) > self._longest:
            raise ValueError("the compressed frame is far longer than its image")
        if self.syntax != RLELossless and image_size(frame) != (self.rows, self.columns):
            raise ValueError("the compressed frame is of another size than its header says")
        return frame

    def _decoded(self, buffer: bytes) -> Stored:
        description: dict[str, Any] = {
            "number_of_frames": 1,
            "rows": self.rows,
            "columns": self.columns,
            "samples_per_pixel": 1,
            "photometric_interpretation": _GREY,
            "bits_allocated": self.bits_allocated,
            "bits_stored": self.bits_stored,
            "pixel_representation": int(self.signed),
            "pixel_keyword": "PixelData",
            "pixel_vr": "OW",
        }
        decoder = get_decoder(self.syntax)
        array, _ = decoder.as_array(buffer, index=0, decoding_plugin=_DECODERS[self.syntax], **description)
        # again, for all syntaxes: pydicom goes by the precision of a JPEG-LS codestream, which may exceed BitsStored
        unused = 8 * array.dtype.itemsize - self.bits_stored
        return array << unused >> unused


def pixel_source(dataset: Dataset) -> PixelSource:
    """Describe the pixel data of a data set; nothing is decoded yet.

    Raises:
        NotAssessable: LOSSY, UNSUPPORTED (colour) or UNREADABLE (no pixels, or a description that cannot be).
    """
    header = Attributes((dataset,))
    syntax = _lossless_syntax(dataset, header)
    photometric = header.text("PhotometricInterpretation") or _GREY
    if stated(header, "SamplesPerPixel", 1) != 1 or photometric not in (_GREY, _INVERTED):
        raise NotAssessable(Reason.UNSUPPORTED, "colour images")
    bits_allocated = _bits_allocated(header)
    signed = header.integer("PixelRepresentation") == 1
    return PixelSource(
        encoded=_encoded(dataset),
        syntax=syntax,
        frames=_positive(header, "NumberOfFrames", 1),
        rows=_positive(header, "Rows"),
        columns=_positive(header, "Columns"),
        bits_allocated=bits_allocated,
        bits_stored=header.integer("BitsStored") or bits_allocated,
        signed=signed,
        padding=_padding(header, bits_allocated, signed=signed),
        inverted=photometric == _INVERTED,
    )


def _padding(header: Attributes, bits: int, *, signed: bool) -> tuple[int, int] | None:
    """PixelPaddingValue, and whatever lies between it and PixelPaddingRangeLimit, as the pixels are stored.

    Both are stated as signed or unsigned, and often not as the pixels are.
    """
    value = header.integer("PixelPaddingValue")
    if value is None:
        return None
    limit = header.integer("PixelPaddingRangeLimit")
    half = 1 << (bits - 1)
    ends = [
        (end + half) % (2 * half) - half if signed else end % (2 * half) for end in (value, limit) if end is not None
    ]
    return min(ends), max(ends)


def stated(header: Attributes, keyword: str, default: float) -> float:
    """A number, ``default`` where the header is silent.

    Raises:
        NotAssessable: UNREADABLE, there is something but no number; a default would be a guess.
    """
    number = header.number(keyword)
    if number is None and header.text(keyword) is not None:
        raise NotAssessable(Reason.UNREADABLE, f"{keyword} is no number")
    return float(default if number is None else number)


def _positive(header: Attributes, keyword: str, default: int = 0) -> int:
    number = stated(header, keyword, default)
    if number < 1 or not number.is_integer():
        raise NotAssessable(Reason.UNREADABLE, f"{keyword} is no positive whole number")
    return int(number)


def _bits_allocated(header: Attributes) -> int:
    """BitsAllocated, if BitsStored and HighBit fit it (PS3.5, 8.1.1)."""
    allocated = header.integer("BitsAllocated")
    stored = header.integer("BitsStored") or allocated
    highest = header.integer("HighBit")
    if allocated not in _ALLOCATED or stored is None or not 1 <= stored <= allocated:
        raise NotAssessable(Reason.UNREADABLE, "BitsStored does not fit BitsAllocated")
    if highest not in (None, stored - 1):
        raise NotAssessable(Reason.UNREADABLE, "HighBit is not one less than BitsStored")
    if header.integer("PixelRepresentation") not in (0, 1):
        raise NotAssessable(Reason.UNREADABLE, "PixelRepresentation is neither signed nor unsigned")
    return allocated


def _lossless_syntax(dataset: Dataset, header: Attributes) -> UID:
    syntax = uid(str(getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", "")))
    if syntax in _LOSSY or header.text("LossyImageCompression") == "01":
        raise NotAssessable(Reason.LOSSY)
    if syntax not in _DECODERS:
        raise NotAssessable(Reason.UNREADABLE, "transfer syntax without a decoder")
    return syntax


def _encoded(dataset: Dataset) -> Content:
    if isinstance(dataset, ImageHeader):
        content = dataset.pixels
    else:
        element = element_of(dataset, "PixelData")
        content = InMemory(element.value) if element is not None and isinstance(element.value, bytes) else None
    if content is None:
        raise NotAssessable(Reason.UNREADABLE, "no pixel data")
    return content
