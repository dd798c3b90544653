"""Report objects in other transfer syntaxes: another encoding of the same elements and the same pixels, none is lost.

An object is stored once, its picture compressed without loss (JPEG-LS, PS3.5 A.4.3). Whoever cannot take it so gets it
under the same SOP Instance UID as RLE (PS3.5 A.4.2) or uncompressed.
"""

from io import BytesIO
from typing import Final

from pydicom import dcmread
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

#: The smallest first.
COMPRESSED: Final = (JPEGLSLossless, RLELossless)
PLAIN: Final = ExplicitVRLittleEndian


def syntax_of(payload: bytes) -> UID:
    """The transfer syntax of a DICOM file."""
    header = dcmread(BytesIO(payload), specific_tags=[], stop_before_pixels=True)
    return UID(header.file_meta.TransferSyntaxUID)


def syntaxes_for(payload: bytes) -> tuple[UID, ...]:
    """The transfer syntaxes in which a file can be had, the smallest first; documents have no pixels to compress."""
    stored = syntax_of(payload)
    return (*COMPRESSED, PLAIN) if stored in COMPRESSED else (stored,)


def recoded(payload: bytes, syntax: UID) -> bytes:
    """The file in one of its ``syntaxes_for``: the same arguments give the same bytes."""
    if syntax_of(payload) == syntax:
        return payload
    dataset = dcmread(BytesIO(payload))
    dataset.decompress(generate_instance_uid=False)
    if syntax in COMPRESSED:
        dataset.compress(syntax, generate_instance_uid=False)
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
