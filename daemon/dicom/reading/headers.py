"""One arrival to one instance: what completion needs of a header, at line rate, whatever state the header is in."""

import hashlib
import re
from typing import Final

import numpy as np
from pydicom.tag import Tag
from pydicom.uid import generate_uid

from daemon.core.ports import Content
from daemon.core.values import Arrival, Instance, Place
from daemon.dicom.attributes import Attributes
from daemon.dicom.own import is_own
from daemon.dicom.parsing import parse
from daemon.dicom.reading.dimensions import DIMENSIONS, label

#: Siemens: NumberOfImagesInMosaic and the creator of its block.
MOSAIC_IMAGES: Final = 0x0019100A
MOSAIC_CREATOR: Final = 0x00190010
_SIEMENS: Final = "SIEMENS MR HEADER"

_KEYWORDS: Final = (
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "ImagesInAcquisition",
    "NumberOfTemporalPositions",
    "InConcatenationTotalNumber",
    "NumberOfFrames",
    *(keyword for dimension in DIMENSIONS for keyword in dimension.keywords),
)
#: What lies behind the last that matters, pixels above all, is not looked at.
_LAST: Final = int(Tag("NumberOfFrames"))
_TAGS: Final = tuple(
    tag for tag in (MOSAIC_CREATOR, MOSAIC_IMAGES, *(int(Tag(keyword)) for keyword in _KEYWORDS)) if tag <= _LAST
)

_UID: Final = re.compile(r"[0-9.]{1,64}")
#: Decimals of direction cosines in ``Place``: 0.06 degrees; the noise of a header is far below, real angles above.
_COSINE_DECIMALS: Final = 3
_COSINES: Final = 6
_COORDINATES: Final = 3


def read_instance(arrival: Arrival, dataset: bytes | Content) -> Instance:
    """What the header of the encoded ``dataset`` says; never raises for what it says.

    What the header does not say stays unknown. A series or study UID that is no UID is replaced by a surrogate: the
    same for the same text, or, where there is none, for the same association, so that every image has its series.

    Raises:
        SpoolError: the data set can no longer be read, or is not what was received.
    """
    digest = hashlib.sha256()
    for piece in [dataset] if isinstance(dataset, bytes) else dataset.pieces():
        digest.update(piece)
    header = Attributes((parse(dataset, arrival.transfer_syntax_uid, _TAGS),))
    frames = _frames(header)
    return Instance(
        arrival=arrival,
        series_instance_uid=_uid(header, "SeriesInstanceUID", arrival.association),
        study_instance_uid=_uid(header, "StudyInstanceUID", arrival.association),
        modality=header.text("Modality") or "",
        digest=digest.hexdigest(),
        frames=frames,
        place=_place(header) if frames == 1 else None,
        expected=_expected(header, frames),
        own=is_own(header, arrival.sop_class_uid),
    )


def unread_instance(arrival: Arrival) -> Instance:
    """An arrival of which nothing can be read; all such of one association are one series."""
    return Instance(
        arrival=arrival,
        series_instance_uid=_surrogate("SeriesInstanceUID", "", arrival.association),
        study_instance_uid=_surrogate("StudyInstanceUID", "", arrival.association),
        modality="",
        digest="",
        damaged=True,
    )


def _uid(header: Attributes, keyword: str, association: str) -> str:
    stated = header.text(keyword)
    return stated if stated and _UID.fullmatch(stated) else _surrogate(keyword, stated or "", association)


def _surrogate(keyword: str, stated: str, association: str) -> str:
    return generate_uid(entropy_srcs=["surrogate", keyword, "text" if stated else "association", stated or association])


def _frames(header: Attributes) -> int:
    """Images in the object: frames of a multi-frame image, tiles of a Siemens mosaic."""
    if "MOSAIC" in header.texts("ImageType") and header.text(MOSAIC_CREATOR) == _SIEMENS:
        return max(1, header.integer(MOSAIC_IMAGES) or 1)
    return max(1, header.integer("NumberOfFrames") or 1)


def _place(header: Attributes) -> Place | None:
    orientation, position = header.numbers("ImageOrientationPatient"), header.numbers("ImagePositionPatient")
    if len(orientation) != _COSINES or len(position) != _COORDINATES:
        return None
    normal = np.cross(orientation[:3], orientation[3:])
    return Place(
        orientation=tuple(round(cosine, _COSINE_DECIMALS) for cosine in orientation),
        position_mm=float(normal @ np.asarray(position)),
        dimension=_dimension(header),
    )


def _dimension(header: Attributes) -> tuple[str, ...]:
    """The facts the header states, with InstanceNumber: in some time series nothing else differs (GE EPI)."""
    keys = ((dimension.name, dimension.key(header)) for dimension in DIMENSIONS)
    number = header.text("InstanceNumber")
    return (*(label(name, key) for name, key in keys if key), *([f"InstanceNumber={number}"] if number else []))


def _expected(header: Attributes, frames: int) -> int | None:
    """Objects of the concatenation; of single-frame images, images per acquisition times temporal positions.

    The latter is a hint, often too many; multi-frame objects may count frames there.
    """
    parts = header.integer("InConcatenationTotalNumber")
    images = header.integer("ImagesInAcquisition")
    if parts or not images or frames > 1:
        return parts or None
    return images * max(1, header.integer("NumberOfTemporalPositions") or 1)
