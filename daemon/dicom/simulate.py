r"""Classic MR series made from voxels: what the demo and the scanner simulator send.

Simulated images say so (ImageType DERIVED\SECONDARY, DerivationDescription) and read back as the voxels they were
made from, within half a step of their rescale. The same input and seed give the same objects, UIDs included.
"""

import hashlib
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.config import disable_value_validation
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from daemon.core.errors import NotAssessable, Reason
from daemon.dicom.parsing import MALFORMED, quietly
from daemon.dicom.reading.volumes import Stack, arrange
from models.subject import Acquisition, Image, Voxels

_DERIVATION: Final = "Voxels replaced by Scanside: simulated, not for diagnosis"

#: What describes the old pixels, or signs them. Private elements go too: some scale pixels (Philips).
_STALE: Final = frozenset(
    int(Tag(keyword))
    for keyword in (
        "DataSetTrailingPadding",
        "DigitalSignaturesSequence",
        "DoubleFloatPixelData",
        "ExtendedOffsetTable",
        "ExtendedOffsetTableLengths",
        "FloatPixelData",
        "IconImageSequence",
        "LargestImagePixelValue",
        "LargestPixelValueInSeries",
        "MACParametersSequence",
        "PixelPaddingRangeLimit",
        "PixelPaddingValue",
        "ModalityLUTSequence",
        "PixelData",
        "PixelPaddingRangeLimit",
        "PixelPaddingValue",
        "RealWorldValueMappingSequence",
        "SmallestImagePixelValue",
        "SmallestPixelValueInSeries",
        "VOILUTSequence",
        "WindowCenterWidthExplanation",
    )
)
_OVERLAYS: Final = range(0x6000, 0x6100)

_BITS_ALLOCATED: Final = 16
_BITS: Final = range(12, _BITS_ALLOCATED + 1)

#: Largest cosine between two axes of a volume that DICOM can describe as rows, columns and slices.
_SKEW: Final = 1e-3


@dataclass(frozen=True, slots=True)
class _Scale:
    """Value = ``slope`` x stored + ``intercept``, both as DICOM decimal strings; stored in 0 .. 2**bits - 1."""

    slope: str
    intercept: str
    bits: int

    def stored(self, image: Voxels) -> npt.NDArray[np.uint16]:
        levels = (image.astype(np.float64) - float(self.intercept)) / float(self.slope)
        return np.clip(np.rint(levels), 0, 2**self.bits - 1).astype("<u2")


def corrupted_series(
    datasets: Iterable[Dataset], image: Voxels, seed: str, *, description: str = "simulated", bits: int = 16
) -> Iterator[Dataset]:
    """The series of ``datasets`` with its voxels replaced by ``image``, float32 on the grid of its volume.

    Geometry, patient, study and all facts of the acquisition stay; series and instances get new UIDs. The new data sets
    are uncompressed, Explicit VR Little Endian, ``bits`` (12 to 16) deep, in the order of the slices.

    Raises:
        NotAssessable: the datasets do not form one volume of single-frame images.
        ValueError: ``image`` has another shape than that volume, is not finite, or ``bits`` is out of range.
    """
    stack = _single_frame_stack(datasets)
    if image.shape != stack.shape:
        raise ValueError(f"the image has shape {image.shape}, its series {stack.shape}")
    scale, entropy = _fit(image, bits), [seed, _digest(image)]
    for k, frame in enumerate(stack.frames):
        dataset = _without_pixels(frame.dataset)
        dataset.ImageType = ["DERIVED", "SECONDARY", *frame.attributes.texts("ImageType")[2:]]
        dataset.SeriesDescription = description
        _identify(dataset, [*entropy, frame.attributes.text("SeriesInstanceUID") or ""], k)
        _set_pixels(dataset, image[:, :, k], scale)
        yield dataset


def series_from_image(
    image: Image, seed: str, *, description: str = "golden head", bits: int = 16
) -> Iterator[Dataset]:
    """A new study of one series that shows ``image``, of the synthetic patient SCANSIDE^DEMO.

    It reads back as the same image in space and time; its slices run along the normal, so that the last axis may be
    flipped. Several volumes are told apart by their temporal position, and by their trigger times where these are
    known.

    Raises:
        ValueError: the image's axes are not at right angles, its voxels not finite, or ``bits`` out of range.
    """
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    axes = lps[:3, :3] / spacing
    if np.abs(axes.T @ axes - np.eye(3)).max() > _SKEW:
        raise ValueError("the axes of the image are not at right angles: resample it first")
    voxels = np.asarray(image.voxels, np.float32)
    scale, entropy = _fit(voxels, bits), [seed, _digest(voxels)]
    for t, k in np.ndindex(voxels.shape[0], voxels.shape[3]):
        dataset = _demo_header(image.acquisition, entropy)
        dataset.SeriesDescription = description
        dataset.ImageOrientationPatient = [_ds(cosine) for cosine in axes[:, :2].T.ravel()]
        dataset.ImagePositionPatient = [_ds(coordinate) for coordinate in lps[:3, 3] + k * lps[:3, 2]]
        dataset.PixelSpacing = [_ds(spacing[1]), _ds(spacing[0])]
        dataset.SliceThickness = dataset.SpacingBetweenSlices = _ds(spacing[2])
        dataset.InstanceNumber = t * voxels.shape[3] + k + 1
        if len(voxels) > 1:
            dataset.TemporalPositionIdentifier, dataset.NumberOfTemporalPositions = t + 1, len(voxels)
            if np.isfinite(image.times_ms[t]):
                dataset.TriggerTime = _ds(float(image.times_ms[t]))
        _identify(dataset, entropy, t * voxels.shape[3] + k)
        _set_pixels(dataset, voxels[t, :, :, k], scale)
        yield dataset


def _single_frame_stack(datasets: Iterable[Dataset]) -> Stack:
    stacks = arrange(datasets)
    frames = stacks[0].frames
    if len(stacks) > 1 or any(frame.source.frames > 1 or frame.tile is not None for frame in frames):
        raise NotAssessable(Reason.UNSUPPORTED, "not one volume of single-frame images")
    return stacks[0]


def _fit(image: Voxels, bits: int) -> _Scale:
    """The finest scale that holds all values of ``image`` in ``bits``."""
    if bits not in _BITS:
        raise ValueError(f"{bits} bits: choose 12 to 16")
    low, high = float(image.min()), float(image.max())
    if not np.isfinite([low, high]).all():
        raise ValueError("the image holds values that are not finite")
    return _Scale(_ds((high - low) / (2**bits - 1) or 1.0), _ds(low), bits)


def _digest(image: Voxels) -> str:
    """Part of every UID: other pixels must never go under the same one."""
    return hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()


def _ds(number: float) -> str:
    return format_number_as_ds(float(number))


def _without_pixels(source: Dataset) -> Dataset:
    """A new data set of the source's public elements, without what no longer holds and what cannot be read."""
    made = Dataset()
    for tag in source.keys():  # noqa: SIM118 - iterating a Dataset converts its elements
        element = None if _is_stale(tag) else _readable(source, tag)
        if element is not None:
            made.add(copy(element))  # setting an attribute later changes the element in place
    return made


def _is_stale(tag: BaseTag) -> bool:
    return tag.is_private or tag in _STALE or tag.group in _OVERLAYS


def _readable(source: Dataset, tag: BaseTag) -> DataElement | None:
    try:
        with quietly(), disable_value_validation():
            return source[tag]
    except MALFORMED:
        return None


def _identify(dataset: Dataset, entropy: list[str], k: int) -> None:
    """New series and instance UIDs, and the file meta information that goes with them."""
    dataset.SOPClassUID = MRImageStorage
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[*entropy, "series"])
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[*entropy, "instance", str(k)])
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _set_pixels(dataset: Dataset, image: Voxels, scale: _Scale) -> None:
    """Pixels of one slice, (columns, rows), and all that describes them."""
    dataset.DerivationDescription = _DERIVATION
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Columns, dataset.Rows = image.shape
    dataset.BitsAllocated = _BITS_ALLOCATED
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = scale.bits, scale.bits - 1, 0
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = scale.slope, scale.intercept, "US"
    width = float(scale.slope) * 2**scale.bits
    dataset.WindowWidth, dataset.WindowCenter = _ds(width), _ds(float(scale.intercept) + width / 2)
    dataset.add_new("PixelData", "OW", scale.stored(image.T).tobytes())


def _demo_header(acquisition: Acquisition, entropy: list[str]) -> Dataset:
    """All that the images of a demo series have in common, as the MR Image IOD asks (PS3.3, A.4)."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = "SCANSIDE^DEMO", "SCANSIDE-DEMO"
    dataset.PatientBirthDate, dataset.PatientSex = "", "O"
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[*entropy, "study"])
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=[*entropy, "frame of reference"])
    dataset.StudyID, dataset.SeriesNumber, dataset.AcquisitionNumber = "1", 1, 1
    dataset.StudyDate = dataset.StudyTime = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.PositionReferenceIndicator = ""
    dataset.Modality = "MR"
    dataset.Manufacturer = acquisition.manufacturer or "Scanside"
    dataset.ManufacturerModelName = acquisition.model or "simulated scanner"
    dataset.StationName = acquisition.station or ""
    dataset.ProtocolName = acquisition.protocol or "golden head"
    dataset.BodyPartExamined = acquisition.body_part or "HEAD"
    dataset.PatientPosition = "HFS"
    dataset.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "GR", "NONE", ""
    dataset.MRAcquisitionType, dataset.EchoTrainLength = "3D", 1
    dataset.RepetitionTime = _known(acquisition.repetition_time_ms)
    dataset.EchoTime = _known(acquisition.echo_time_ms)
    dataset.MagneticFieldStrength = _known(acquisition.field_strength_t)
    return dataset


def _known(number: float | None) -> str:
    return "" if number is None else _ds(number)
