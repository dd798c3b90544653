"""From the data sets of one series to its images: refused with a reason rather than guessed.

Two steps: ``arrange`` looks at headers alone and gives stacks, sorted and with their geometry; ``decode`` turns stacks
into one image, a volume each. ``read_volumes`` does both for each stack by itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from daemon.core.errors import NotAssessable, Reason
from daemon.core.ports import Content
from daemon.core.reception.geometry import LEAST_PHASES
from daemon.dicom.attributes import Attributes
from daemon.dicom.content import InMemory
from daemon.dicom.parsing import data_set_of, uid
from daemon.dicom.reading.derived import appended
from daemon.dicom.reading.frames import Frame, frames_of
from daemon.dicom.reading.geometry import affine_of, partition, slice_affine
from daemon.dicom.reading.mosaic import is_mosaic, mosaic_frames
from daemon.dicom.reading.objects import IMAGES, read_image
from daemon.dicom.reading.stacks import first_taken, slots_of, split
from daemon.dicom.reading.times import superseded, times_ms
from daemon.dicom.reading.values import volumes_of
from models.subject import Acquisition, Dimensions, Image, Quantity

#: 256 MiB of float32: heads of 0.6 mm have 58 million voxels. Judging takes 0.2 GiB beside them.
VOXELS_MAX: Final = 2**26
#: Wider fields of view are wider than a bore, and cost the memory of their resampled images: 580 mm along each axis.
FIELD_MM3_MAX: Final = 2e8


#: Volumes whose corners lie nearer to one another, in mm, lie in one place.
_SAME_MM: Final = 0.05
#: More images than any series has: 500 volumes of 40 slices.
FRAMES_MAX: Final = 20_000

#: A parsed data set, or a DICOM file.
Object = Dataset | bytes | Content


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack:
    """One volume before its pixels are decoded: frames sorted along their normal, ``affine`` (4, 4) index to RAS mm.

    ``dimensions`` set it apart from the other stacks. Of the series: ``left_out`` images were computed from the others,
    in place of ``superseded`` ones later ones stand, and for ``missing`` ones others do.
    """

    frames: tuple[Frame, ...]
    affine: npt.NDArray[np.float64]
    dimensions: Dimensions
    left_out: int = 0
    superseded: int = 0
    missing: int = 0

    @property
    def remark(self) -> str:
        """What is to be said of the series' images, in words; empty where there is nothing."""
        said = {
            "derived images left out": self.left_out,
            "images left out, taken again later": self.superseded,
            "images missing, those of the nearest phase in their place": self.missing,
        }
        return "; ".join(f"{count} {words}" for words, count in said.items() if count)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(columns, rows, slices)."""
        return *self.frames[0].shape, len(self.frames)

    @property
    def field_mm3(self) -> float:
        """Volume of the field of view."""
        return float(np.prod(self.shape) * abs(np.linalg.det(self.affine[:3, :3])))


def read_volumes(objects: Iterable[Object], voxels_max: int = VOXELS_MAX) -> tuple[Image, ...]:
    """The volumes of one series, each a still image, in the order in which they were taken.

    The order of the objects does not matter. An object is a data set that knows its transfer syntax (``read_image``
    and ``dcmread`` see to that), or a DICOM file. One that comes twice counts once; what is no MR image, or no DICOM at
    all, is left out.

    Raises:
        NotAssessable: there is no volume that could be judged; the reason says why. TOO_LARGE: ``voxels_max`` in all.
    """
    stacks = arrange(objects, voxels_max)
    if sum(int(np.prod(stack.shape)) for stack in stacks) > voxels_max:
        raise NotAssessable(Reason.TOO_LARGE, f"{len(stacks)} volumes")
    volumes = tuple(decode([stack]) for stack in stacks)
    if all(np.ptp(volume.still) == 0 for volume in volumes):
        raise NotAssessable(Reason.FLAT)
    return volumes


def arrange(objects: Iterable[Object], voxels_max: int = VOXELS_MAX) -> tuple[Stack, ...]:
    """The stacks of one series, without decoding a pixel.

    Raises:
        NotAssessable: as :func:`read_volumes`, but for what only the pixels show.
    """
    frames: list[Frame] = []
    for dataset in _images(objects):
        frames.extend(_frames(dataset))
        if len(frames) > FRAMES_MAX:
            raise NotAssessable(Reason.TOO_LARGE, f"more than {FRAMES_MAX} images")
    if len(frames) == 1:
        raise NotAssessable(Reason.TOO_FEW, "1 slice")
    left_out = set(appended(frames))
    groups = sorted(partition([frame for frame in frames if frame not in left_out]), key=first_taken)
    older = {frame for group in groups for frame in superseded(group, slots_of(group))}
    groups = [[frame for frame in group if frame not in older] for group in groups]
    parts = [(n, split(group)) for n, group in enumerate(groups, start=1)]
    used = [frame for _, part in parts for _, found in part for frame in found]
    stacks = tuple(
        Stack(
            frames=tuple(found),
            affine=affine_of(found) if len(part) < LEAST_PHASES or len(found) > 1 else slice_affine(found[0]),
            dimensions={**_place(n, groups), **dimensions},
            left_out=len(left_out),
            superseded=len(older),
            missing=len(used) - len(set(used)),
        )
        for n, part in parts
        for dimensions, found in part
    )
    if any(int(np.prod(stack.shape)) > voxels_max for stack in stacks):
        raise NotAssessable(Reason.TOO_LARGE, "a single volume")
    if any(stack.field_mm3 > FIELD_MM3_MAX for stack in stacks):
        raise NotAssessable(Reason.TOO_LARGE, "a field of view wider than any head")
    return stacks


def _place(number: int, groups: Sequence[Sequence[Frame]]) -> Dimensions:
    """What tells the stacks of several places apart; nothing where all images share one."""
    return {"Stack": Quantity((float(number),), "1")} if len(groups) > 1 else {}


def decode(stacks: Sequence[Stack], voxels_max: int = VOXELS_MAX) -> Image:
    """Stacks that lie in one place as one image, a volume each, in the order of their times where headers say them.

    All of it is read at once, into one array, where it has ``voxels_max`` voxels at most; else each volume when it is
    asked for.

    Raises:
        NotAssessable: GEOMETRY, they do not lie in one place; UNREADABLE, pixel data are damaged; UNSUPPORTED, only
            some images are inverted; TOO_LARGE, it is inverted and not to be read at once.
        SpoolError: the objects are not what was received, or can no longer be read.
    """
    first = stacks[0]
    if any(one.shape != first.shape or not np.allclose(one.affine, first.affine, atol=_SAME_MM) for one in stacks):
        raise NotAssessable(Reason.GEOMETRY, "volumes in several places")
    stated = times_ms([stack.frames for stack in stacks])
    order = np.argsort(stated, kind="stable")
    ordered = [stacks[n] for n in order]
    return Image(
        voxels=volumes_of([stack.frames for stack in ordered], voxels_max),
        affine=first.affine,
        times_ms=stated[order],
        dimensions=tuple(stack.dimensions for stack in ordered),
        acquisition=acquisition_of(ordered[0].frames[0].attributes),
        remark=first.remark,
    )


def acquisition_of(header: Attributes) -> Acquisition:
    """Facts of one image's header."""
    return Acquisition(
        modality=header.text("Modality") or "MR",
        manufacturer=header.decoded_text("Manufacturer"),
        model=header.decoded_text("ManufacturerModelName"),
        station=header.decoded_text("StationName"),
        protocol=header.decoded_text("ProtocolName"),
        body_part=header.text("BodyPartExamined"),
        field_strength_t=header.number("MagneticFieldStrength"),
        repetition_time_ms=header.number("RepetitionTime"),
        echo_time_ms=header.number("EffectiveEchoTime") or header.number("EchoTime"),
        image_type=header.texts("FrameType") or header.texts("ImageType"),
        phase_axis=_PHASE_AXES.get(header.text("InPlanePhaseEncodingDirection") or ""),
    )


#: (0018,1312) names the direction in the image (PS3.3, C.8.3.1): along a row, from column to column, is the first axis.
_PHASE_AXES: Final = {"ROW": 0, "COL": 1, "COLUMN": 1}


def _frames(dataset: Dataset) -> Iterator[Frame]:
    return mosaic_frames(dataset) if is_mosaic(Attributes((dataset,))) else frames_of(dataset)


def is_image(header: Attributes) -> bool:
    """Whether an object is an MR image, as this reader takes them."""
    return header.text("SOPClassUID") in IMAGES


def kind_of(header: Attributes) -> str:
    """The SOP class of an object, as DICOM's dictionary calls it."""
    return uid(header.text("SOPClassUID") or "").keyword or "private or unknown SOP class"


def _images(objects: Iterable[Object]) -> list[Dataset]:
    """The MR images among the objects of a series, each once.

    Raises:
        NotAssessable: there are none; the reason says what there is instead.
    """
    datasets = _once(_parsed(objects))
    images = [dataset for dataset in datasets if is_image(Attributes((dataset,)))]
    if images:
        return images
    raise _refusal(Attributes((datasets[0],))) if datasets else NotAssessable(Reason.EMPTY)


def _parsed(objects: Iterable[Object]) -> Iterator[Dataset]:
    """Data sets; of bytes, those that are DICOM files."""
    for found in objects:
        if isinstance(found, Dataset):
            yield found
            continue
        try:
            encoded, syntax = data_set_of(InMemory(found) if isinstance(found, bytes) else found)
        except NotAssessable:
            continue
        yield read_image(encoded, syntax)


def _refusal(header: Attributes) -> NotAssessable:
    """Why an object that is no MR image cannot be judged."""
    kind = kind_of(header)
    if header.text("Modality") != "MR":
        return NotAssessable(Reason.NOT_MR, kind)
    if header.integer("Rows") is None:
        return NotAssessable(Reason.EMPTY, kind)
    return NotAssessable(Reason.UNSUPPORTED, kind)


def _once(datasets: Iterable[Dataset]) -> list[Dataset]:
    """The first data set of each SOP instance; those without a UID all stay."""
    unique: dict[object, Dataset] = {}
    for dataset in datasets:
        unique.setdefault(Attributes((dataset,)).text("SOPInstanceUID") or id(dataset), dataset)
    return list(unique.values())
