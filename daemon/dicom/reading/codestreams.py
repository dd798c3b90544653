"""What a compressed frame claims of itself, read before a decoder allocates memory for it."""

from typing import Final

#: JPEG 2000 (ISO 15444-1, A.5.1): start of codestream and of the SIZ segment, and the bytes up to the end of YOsiz.
_SOC_SIZ: Final = b"\xff\x4f\xff\x51"
_SIZ_LENGTH: Final = 24
#: A JP2 header may precede the codestream, against PS3.5, A.4.4.
_HEADER_MAX: Final = 4096

#: JPEG (ITU-T T.81, B.1.1.3): frame headers, with the one of JPEG-LS (F7); C4, C8 and CC are other segments.
_FRAME_HEADERS: Final = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_SOI: Final = b"\xff\xd8"
_SIZE_OFFSET: Final = 5


def image_size(frame: bytes) -> tuple[int, int] | None:
    """(rows, columns) that a JPEG, JPEG-LS, JPEG 2000 or HTJ2K codestream states; None where it is none of them."""
    return _jpeg_size(frame) if frame.startswith(_SOI) else _jpeg_2000_size(frame)


def _jpeg_2000_size(frame: bytes) -> tuple[int, int] | None:
    start = frame.find(_SOC_SIZ, 0, _HEADER_MAX)
    if start < 0 or len(frame) < start + _SIZ_LENGTH:
        return None
    fields = frame[start + 8 : start + _SIZ_LENGTH]
    width, height, left, top = (int.from_bytes(fields[i : i + 4], "big") for i in range(0, 16, 4))
    return height - top, width - left


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    """Hop from segment to segment up to the frame header."""
    at = len(_SOI)
    while at + _SIZE_OFFSET + 4 <= len(frame) and frame[at] == 0xFF:  # noqa: PLR2004 - every marker begins with FF
        if frame[at + 1] in _FRAME_HEADERS:
            size = frame[at + _SIZE_OFFSET : at + _SIZE_OFFSET + 4]
            return int.from_bytes(size[:2], "big"), int.from_bytes(size[2:], "big")
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None
