"""Synthetic MR series whose every voxel tells where it is: its stored value is its number.

Nothing here uses the reader's or the simulator's own arithmetic: positions follow from PS3.3, C.7.6.2.1.1 directly.
"""

import struct
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite, write_dataset
from pydicom.uid import UID, EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage

from daemon.core.values import Arrival

#: Most decimals that fit a decimal string with sign and three digits before the point.
_DECIMALS = 10


def arrival(transfer_syntax_uid=ExplicitVRLittleEndian, association="association"):
    return Arrival(
        sop_instance_uid="1.2.3",
        sop_class_uid=MRImageStorage,
        transfer_syntax_uid=str(transfer_syntax_uid),
        calling_ae="SCANNER",
        called_ae="SCANSIDE",
        association=association,
        received_at=0.0,
        segment="segment",
        offset=0,
        length=0,
    )


@dataclass(frozen=True)
class Lattice:
    """Where the pixels of a series lie, LPS mm. ``rotation``: columns are row, column and slice direction."""

    columns: int = 5
    rows: int = 4
    slices: int = 6
    spacing: tuple[float, float, float] = (1.5, 2.0, 3.0)
    rotation: np.ndarray = None
    origin: tuple[float, float, float] = (-40.0, 25.0, 10.0)

    @property
    def axes(self):
        return np.eye(3) if self.rotation is None else self.rotation

    def position(self, k):
        """Centre of the first pixel of slice ``k``."""
        return np.asarray(self.origin) + k * self.spacing[2] * self.axes[:, 2]

    def world(self, number):
        """LPS mm (n, 3) of the voxels with these numbers."""
        k, pixel = np.divmod(np.asarray(number), self.rows * self.columns)
        row, column = np.divmod(pixel, self.columns)
        steps = np.stack([column, row, k], axis=-1) * np.asarray(self.spacing)
        return np.asarray(self.origin) + steps @ self.axes.T

    def numbers(self, k):
        """The numbers of the voxels of slice ``k``, (rows, columns)."""
        first = k * self.rows * self.columns
        return np.arange(first, first + self.rows * self.columns).reshape(self.rows, self.columns)


def decimals(values):
    return [f"{value:.{_DECIMALS}f}"[:16] for value in values]


def classic(lattice=None, *, uid="1.2.3", first=0, **attributes):
    """One single-frame MR image a slice; stored value = ``first`` + the voxel's number."""
    lattice = lattice or Lattice()
    return [_slice(lattice, k, uid, first, attributes) for k in range(lattice.slices)]


def _slice(lattice, k, uid, first, attributes):
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, f"{uid}.{k + 1}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality = "1.2.1", "1.2.2", "MR"
    dataset.InstanceNumber = k + 1
    dataset.ImageOrientationPatient = decimals(lattice.axes[:, :2].T.ravel())
    dataset.ImagePositionPatient = decimals(lattice.position(k))
    dataset.PixelSpacing = [lattice.spacing[1], lattice.spacing[0]]
    describe_pixels(dataset, (first + lattice.numbers(k)).astype("<u2"))
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return with_syntax(dataset)


def describe_pixels(dataset, pixels):
    """Set unsigned 16-bit pixels, (rows, columns) or (frames, rows, columns)."""
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.add_new("PixelData", "OW", pixels.tobytes())


def with_syntax(dataset, syntax=ExplicitVRLittleEndian):
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def enhanced(lattice=None, volumes=1, order=None, uid="1.2.3.99"):
    """One Enhanced MR object of all slices; volume t has b-value 500 t and numbers from t x 1000 on.

    ``order``: the frames' order, a permutation of volumes x slices.
    """
    lattice = lattice or Lattice()
    frames = [(t, k) for t in range(volumes) for k in range(lattice.slices)]
    frames = [frames[i] for i in (range(len(frames)) if order is None else order)]
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = EnhancedMRImageStorage, uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality = "1.2.1", "1.2.2", "MR"
    dataset.InstanceNumber, dataset.NumberOfFrames = 1, len(frames)
    dataset.SharedFunctionalGroupsSequence = [_shared_groups(lattice)]
    dataset.PerFrameFunctionalGroupsSequence = [_frame_groups(lattice, t, k) for t, k in frames]
    describe_pixels(dataset, np.stack([1000 * t + lattice.numbers(k) for t, k in frames]).astype("<u2"))
    return with_syntax(dataset)


def _item(**attributes):
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def _shared_groups(lattice):
    return _item(
        PlaneOrientationSequence=[_item(ImageOrientationPatient=decimals(lattice.axes[:, :2].T.ravel()))],
        PixelMeasuresSequence=[_item(PixelSpacing=[lattice.spacing[1], lattice.spacing[0]])],
        PixelValueTransformationSequence=[_item(RescaleSlope="2", RescaleIntercept="-7")],
        MREchoSequence=[_item(EffectiveEchoTime=4.5)],
    )


def _frame_groups(lattice, t, k):
    return _item(
        PlanePositionSequence=[_item(ImagePositionPatient=decimals(lattice.position(k)))],
        MRDiffusionSequence=[_item(DiffusionBValue=500.0 * t)],
    )


def mosaic(lattice=None, *, backwards=False, uid="1.2.3.50", number=1):
    """All slices as tiles of one Siemens mosaic; ``backwards``: tiles go against the plane's normal."""
    lattice = lattice or Lattice()
    across = int(np.ceil(np.sqrt(lattice.slices)))
    pixels = np.zeros((across * lattice.rows, across * lattice.columns), "<u2")
    for tile in range(lattice.slices):
        k = lattice.slices - 1 - tile if backwards else tile
        top, left = lattice.rows * (tile // across), lattice.columns * (tile % across)
        pixels[top : top + lattice.rows, left : left + lattice.columns] = lattice.numbers(k)
    dataset = _slice(
        lattice, lattice.slices - 1 if backwards else 0, uid, 0, {"ImageType": ["ORIGINAL", "PRIMARY", "MOSAIC"]}
    )
    corner = lattice.position(lattice.slices - 1 if backwards else 0)
    extra = np.array([pixels.shape[1] - lattice.columns, pixels.shape[0] - lattice.rows]) / 2
    corner = corner - lattice.axes[:, :2] @ (extra * lattice.spacing[:2])
    dataset.ImagePositionPatient, dataset.SpacingBetweenSlices = decimals(corner), lattice.spacing[2]
    dataset.SOPInstanceUID, dataset.InstanceNumber = uid, number
    normal = lattice.axes[:, 2] * (-1 if backwards else 1)
    creator = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    creator.add_new(0x10, "OB", csa_header(NumberOfImagesInMosaic=[lattice.slices], SliceNormalVector=normal))
    tiles = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    tiles.add_new(0x0A, "US", lattice.slices)
    describe_pixels(dataset, pixels)
    return dataset


def csa_header(**entries):
    """A CSA header of the second form, as nibabel documents it."""
    parts = [b"SV10\4\3\2\1", struct.pack("<II", len(entries), 77)]
    for name, values in entries.items():
        texts = [str(value).encode() + b"\0" for value in values]
        parts.append(struct.pack("<64si4siii", name.encode(), len(texts), b"FD", 4, len(texts), 77))
        parts += [struct.pack("<4I", len(t), len(t), 77, len(t)) + t + b"\0" * (-len(t) % 4) for t in texts]
    return b"".join(parts)


def labels(image):
    """What sets a still image apart in its series, such as ("EchoTime=4.92",)."""
    (dimensions,) = image.dimensions
    return tuple(f"{name}={str(value).partition(' ')[0]}" for name, value in dimensions.items())


def encoded(dataset, syntax=ExplicitVRLittleEndian):
    """The data set alone, as it comes over the network."""
    syntax = UID(syntax)
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = syntax.is_implicit_VR, syntax.is_little_endian
    write_dataset(stream, dataset)
    return stream.getvalue()


def part10(dataset):
    """A DICOM file."""
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()
