"""Cines of hearts as scanners send them: a pig's (CC0) from the evaluation data, and the small one of the bundle."""

import os
from copy import deepcopy
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid
from scipy import ndimage

from builders.images.packed import packed_files
from builders.images.series import Lattice, classic, describe_pixels, with_syntax
from daemon.config import optional_bundles
from daemon.edge.files.nifti import read_nifti

NAME = "cine-sa"
DATA = Path(os.environ.get("SCANSIDE_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))


@cache
def pig_datasets() -> tuple[Dataset, ...]:
    """One series, twenty slice positions of twenty phases each (GE)."""
    path = DATA / "dicom" / "cardiac-cine-pig-dicom" / "shortAxis.tar.xz"
    if not path.exists():
        pytest.skip(f"no cine in {path.parent}")
    return tuple(dcmread(BytesIO(content)) for content in packed_files(path).values())


@cache
def positions() -> dict[str, tuple[Dataset, ...]]:
    """A study of eleven cines of one position each (Siemens), by their folders: six short axes, five long ones."""
    path = DATA / "dicom-field" / "cine-human-siemens-vida" / "series.tar.xz"
    if not path.exists():
        pytest.skip(f"no cine in {path.parent}")
    found: dict[str, list[Dataset]] = {}
    for content in packed_files(path).values():
        dataset = dcmread(BytesIO(content))
        found.setdefault(str(dataset.SeriesInstanceUID), []).append(dataset)
    return {uid: tuple(datasets) for uid, datasets in found.items()}


def turned(datasets: tuple[Dataset, ...], *, quarter: bool) -> tuple[Dataset, ...]:
    """The same slices with rows as columns, or turned by a quarter: other pixels, the same places in the patient.

    A study of its own: two series of one position in one study are one that was taken again.
    """
    series = generate_uid(entropy_srcs=[datasets[0].SeriesInstanceUID, str(quarter)])
    return tuple(_turned(one, series, quarter=quarter) for one in datasets)


def _turned(dataset: Dataset, series: str, *, quarter: bool) -> Dataset:
    changed = deepcopy(dataset)
    along, down = (
        np.array(dataset.ImageOrientationPatient[:3], float),
        np.array(dataset.ImageOrientationPatient[3:], float),
    )
    between_rows, between_columns = (float(mm) for mm in dataset.PixelSpacing)
    pixels, place = dataset.pixel_array, np.array(dataset.ImagePositionPatient, float)
    if quarter:  # the last row first
        pixels, place, down = pixels[::-1], place + down * between_rows * (dataset.Rows - 1), -down
    changed.PixelData = np.ascontiguousarray(pixels.T).tobytes()
    changed.Rows, changed.Columns = pixels.T.shape
    changed.ImageOrientationPatient = [f"{v:.10g}"[:16] for v in (*down, *along)]
    changed.ImagePositionPatient = [f"{v:.10g}"[:16] for v in place]
    changed.PixelSpacing = [between_columns, between_rows]
    changed.StudyInstanceUID = generate_uid(entropy_srcs=["study of", series])
    changed.SeriesInstanceUID = series
    changed.SOPInstanceUID = generate_uid(entropy_srcs=[series, dataset.SOPInstanceUID])
    changed.file_meta.MediaStorageSOPInstanceUID = changed.SOPInstanceUID
    changed.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return changed


#: What a balanced gradient echo of a beating heart says of itself.
HEADER = {
    "ScanningSequence": "GR",
    "SequenceVariant": "SK",
    "MRAcquisitionType": "2D",
    "ImageType": ["ORIGINAL", "PRIMARY", "M"],
    "EchoTime": 1.5,
    "RepetitionTime": 3.2,
    "FlipAngle": 45,
}


def golden_cine(slices: int, phases: int, side: int) -> tuple[Dataset, ...]:
    """The bundle's golden cine at so many slices, phases and pixels, a classic image each, slice by slice.

    One slice is that in the middle.
    """
    golden = read_nifti(optional_bundles()[NAME] / "golden" / "cine.nii.gz")
    frames = _over_beat(np.asarray(golden.voxels, np.float32), phases)
    if slices == 1:
        frames = frames[..., frames.shape[3] // 2, None]
    scale = [wanted / there for wanted, there in zip((side, side, slices), frames.shape[1:], strict=True)]
    frames = ndimage.zoom(frames, (1, *scale), order=1)
    place = np.diag([-1.0, -1.0, 1.0, 1.0]) @ golden.affine @ np.diag([*(1 / s for s in scale), 1.0])
    spacing = np.linalg.norm(place[:3, :3], axis=0)
    lattice = Lattice(
        columns=frames.shape[1],
        rows=frames.shape[2],
        slices=slices,
        spacing=tuple(spacing),
        rotation=place[:3, :3] / spacing,
        origin=tuple(place[:3, 3]),
    )
    images = []
    for t, frame in enumerate(frames):
        for k, image in enumerate(classic(lattice, uid=f"1.2.{t + 1}", TriggerTime=30.0 * t, **HEADER)):
            image.InstanceNumber = 1 + k * phases + t
            describe_pixels(image, np.rint(8 * frame[:, :, k]).clip(0).T.astype("<u2"))
            images.append(image)
    return tuple(sorted(images, key=lambda image: image.InstanceNumber))


def _over_beat(frames, phases):
    """Frames (T, ...) at ``phases`` even shares of the beat, between the two nearest."""
    at = np.arange(phases) * len(frames) / phases
    before = at.astype(int)
    share = (at - before).astype(np.float32)[:, None, None, None]
    return (1 - share) * frames[before] + share * frames[(before + 1) % len(frames)]


def in_layout(name, change=lambda images: images):
    """The small golden cine as a series of its own, in a study of its own, after ``change``."""
    images = change([deepcopy(image) for image in golden_cine(10, 10, 128)])
    series, study = (generate_uid(entropy_srcs=[kind, name]) for kind in ("series", "study"))
    for image in images:
        image.SeriesInstanceUID, image.StudyInstanceUID = series, study
        image.SOPInstanceUID = generate_uid(entropy_srcs=[series, image.SOPInstanceUID])
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    return images


def _by_slice(images):
    """Trigger times that are longer from slice to slice: a heart beats slower in each breath-hold."""
    for image in images:
        image.TriggerTime = round(float(image.TriggerTime) * (1 + 0.02 * ((image.InstanceNumber - 1) // 10)), 1)
    return images


def _again(images, first, last):
    """Those images taken once more at the end."""
    later = [deepcopy(image) for image in images[first:last]]
    for image in later:
        image.SOPInstanceUID += ".9"
        image.InstanceNumber += 1000
    return [*images, *later]


def _wrong_words(images):
    for image in images:
        image.BodyPartExamined, image.SequenceVariant = "ELBOW", "SK"
    return images


def _item(**attributes):
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def _enhanced(images):
    """All of it in one Enhanced MR object."""
    first = images[0]
    made = _item(
        SOPClassUID=EnhancedMRImageStorage,
        SOPInstanceUID=f"{first.SOPInstanceUID}.99",
        Modality="MR",
        InstanceNumber=1,
        NumberOfFrames=len(images),
        EchoPulseSequence="GRADIENT",
        ImageType=["ORIGINAL", "PRIMARY", "CARDIAC", "NONE"],
    )
    made.SharedFunctionalGroupsSequence = [
        _item(
            PlaneOrientationSequence=[_item(ImageOrientationPatient=first.ImageOrientationPatient)],
            PixelMeasuresSequence=[_item(PixelSpacing=first.PixelSpacing)],
            MREchoSequence=[_item(EffectiveEchoTime=float(first.EchoTime))],
            MRImageFrameTypeSequence=[_item(FrameType=["ORIGINAL", "PRIMARY", "CARDIAC", "NONE"])],
        )
    ]
    made.PerFrameFunctionalGroupsSequence = [
        _item(
            PlanePositionSequence=[_item(ImagePositionPatient=image.ImagePositionPatient)],
            CardiacSynchronizationSequence=[_item(NominalCardiacTriggerDelayTime=float(image.TriggerTime))],
        )
        for image in images
    ]
    describe_pixels(made, np.stack([image.pixel_array for image in images]).astype("<u2"))
    return [with_syntax(made)]


#: Layout -> makes its images.
LAYOUTS = {
    "one series": lambda: in_layout("one series"),
    "trigger times by slice": lambda: in_layout("by slice", _by_slice),
    "frames missing": lambda: in_layout(
        "missing", lambda images: [i for i in images if i.InstanceNumber not in (34, 61)]
    ),
    "frames repeated": lambda: in_layout("repeated", lambda images: _again(images, 44, 45)),
    "a slice again": lambda: in_layout("again", lambda images: _again(images, 40, 50)),
    "wrong words": lambda: in_layout("wrong", _wrong_words),
    "Enhanced": lambda: in_layout("enhanced", _enhanced),
}
