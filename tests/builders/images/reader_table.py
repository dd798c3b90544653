"""Every series of the real DICOM data, as Scanside reads and routes it, and as another reader reads it."""

import gzip
import os
import subprocess
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless

from builders.images.packed import packed_files
from daemon.config import Settings
from daemon.core.errors import NotAssessable
from daemon.dicom.attributes import Attributes
from daemon.dicom.parsing import parse_file, unwrap
from daemon.dicom.reading.volumes import arrange, read_volumes
from daemon.line.selection import consider
from daemon.routes import all_routes
from models.subject import Image as Examined

with warnings.catch_warnings():  # nibabel calls its DICOM reader experimental
    warnings.simplefilter("ignore")
    from nibabel.nicom.dicomwrappers import wrapper_from_data

DICOM = (Path(__file__).parents[3] / os.environ.get("SCANSIDE_DATA", "../shared/data") / "dicom").resolve()
DCM2NIIX = Path("/usr/bin/dcm2niix")

HEADING = """\
# What the reader makes of real series

Every DICOM series of the test data: read, or refused with its reason; then the bundle that the default routes choose,
or why none does. The last three columns compare with another reader: the largest difference of a voxel's value and the
largest distance between the two places of a corner voxel, over all volumes, each matched in order. Where Debian's
dcm2niix cannot decode, DCMTK or Pillow decoded first.

One series is compared with nibabel: signed 12-bit pixels with dirty high bits. Debian's dcm2niix (1.0.20220720) takes
the sign bit for part of the value; the source's documentation has -241 and -1 there, and so have we.

Made by `PYTHONPATH=.:tests python benchmarks/receiving/reading.py --data ../shared/data > docs/reader-table.md`.

"""

COLUMNS = (
    "folder",
    "series",
    "objects",
    "answer",
    "volumes",
    "shape",
    "spacing (mm)",
    "told apart by",
    "judged by",
    "values",
    "places (mm)",
    "reader",
)


@dataclass(frozen=True)
class Source:
    """One series of the data: a folder, what it is in short, and its DICOM files."""

    folder: str
    kind: str
    files: tuple[bytes, ...]


@dataclass(frozen=True)
class Row:
    """A line of the table; ``difference`` from the other reader in voxel values and in mm, None where refused."""

    folder: str
    kind: str
    objects: int
    cells: tuple[str, ...]
    difference: tuple[float, float] | None


def sources(name: str = "*", data: Path = DICOM) -> list[Source]:
    """All series below the data's ``dicom`` folder; copies of one instance are series of their own."""
    return [source for folder in sorted(data.glob(name)) for source in _series(folder)]


def data_set_of(content: bytes) -> bytes:
    """What follows the file meta information of a DICOM file (PS3.10, 7.1)."""
    return content[144 + int.from_bytes(content[140:144], "little") :]


def answer(source: Source) -> tuple[Examined, ...] | NotAssessable:
    """The volumes of a series, or why there are none."""
    try:
        return read_volumes(source.files)
    except NotAssessable as error:
        return error


def independent(source: Source) -> list[tuple[np.ndarray, np.ndarray]]:
    """The volumes of a series as dcm2niix reads them: float32 voxels and affine."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for n, content in enumerate(source.files):
            _write_decoded(content, folder / f"{n:04}.dcm")
        command = [DCM2NIIX, "-b", "n", "-z", "n", "-p", "n", "-m", "n", "-f", "out", "-o", folder, folder]
        subprocess.run(command, check=True, capture_output=True)
        images = [nib.load(path) for path in sorted(folder.glob("*.nii"))]
        return [volume for image in images for volume in _volumes(image)]


def compare(volumes: tuple[Examined, ...], others: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Largest difference of a voxel's value and of a corner's place in mm; both volumes turned to RAS first."""
    values, corners = [0.0], [0.0]
    for volume, (voxels, affine) in zip(volumes, others, strict=True):
        ours, theirs = _canonical(volume.still, volume.affine), _canonical(voxels, affine)
        values.append(float(np.abs(ours[0] - theirs[0]).max()))
        ends = np.array([(*corner, 1) for corner in product(*((0, n - 1) for n in voxels.shape))])
        apart = ends @ (ours[1] - theirs[1]).T
        corners.append(float(np.linalg.norm(apart, axis=1).max()))
    return max(values), max(corners)


def by_nibabel(source: Source) -> list[tuple[np.ndarray, np.ndarray]]:
    """The volume of a mosaic as nibabel reads it: float32 voxels and affine."""
    (content,) = source.files
    mosaic = wrapper_from_data(dcmread(BytesIO(content)))
    return [(np.asarray(mosaic.get_data(), np.float32), np.diag([-1, -1, 1, 1]) @ mosaic.affine)]


def rows(data: Path = DICOM) -> list[Row]:
    """A row for every series, also of those from the field beside the folder."""
    found = [*sources(data=data), *sources(data=data.parent / "dicom-field")]
    return [_row(source, answer(source)) for source in found]


def table(found: list[Row]) -> str:
    """The table as Markdown; equal rows are counted and shown once."""
    lines = Counter((row.folder, row.kind, row.objects, row.cells) for row in found)
    heads = f"{HEADING}| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}\n"
    return heads + "".join(
        f"| {folder} | {kind} | {f'{n} times ' if n > 1 else ''}{objects} | {' | '.join(cells)} |\n"
        for (folder, kind, objects, cells), n in lines.items()
    )


def _row(source: Source, found: tuple[Examined, ...] | NotAssessable) -> Row:
    if isinstance(found, NotAssessable):
        cells = (f"**{found.reason.name}**: {found.detail}", *[""] * 8)
        return Row(source.folder, source.kind, len(source.files), cells, None)
    misread = source.folder == "12bit-highbits" and "signed" in source.kind
    values, corner_mm = compare(found, by_nibabel(source) if misread else independent(source))
    cells = (
        "read",
        str(len(found)),
        " x ".join(map(str, found[0].still.shape)),
        " x ".join(f"{step:.3g}" for step in np.linalg.norm(found[0].affine[:3, :3], axis=0)),
        ", ".join(sorted({name for image in found for name in image.dimensions[0]})),
        _routed(source),
        f"{values:.1g}" if 0 < values < 1 else f"{values:g}",
        f"{corner_mm:.3f}",
        "nibabel" if misread else "dcm2niix",
    )
    return Row(source.folder, source.kind, len(source.files), cells, (values, corner_mm))


def _routed(source: Source) -> str:
    outlook = consider(arrange(source.files), all_routes(Settings()))
    if outlook.refusal is not None:
        return outlook.refusal.detail
    several, chosen = len(outlook.volumes) > 1, outlook.chosen
    which = f", {len(chosen)} volumes" if len(chosen) > 1 else f", volume {chosen[0] + 1}" if several else ""
    return f"**{outlook.route.bundle}**{which}"


def _series(folder: Path) -> Iterator[Source]:
    groups: dict[tuple[str, ...], list[bytes]] = {}
    seen: set[str] = set()
    for n, content in enumerate(_contents(folder)):
        try:
            header = Attributes((parse_file(content),))
        except NotAssessable:
            continue
        instance = header.text("SOPInstanceUID") or ""
        copy = str(n) if instance in seen or _is_copied(folder) else ""
        seen.add(instance)
        groups.setdefault((_kind(header), header.text("SeriesInstanceUID") or "", copy), []).append(content)
    for (kind, *_), files in groups.items():
        yield Source(folder.name, kind, tuple(files))


def _is_copied(folder: Path) -> bool:
    """Folders that hold one instance in several encodings."""
    return folder.name in ("transfer-syntaxes", "12bit-highbits")


def _contents(folder: Path) -> Iterator[bytes]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.name.endswith(".tar.xz"):
            yield from packed_files(path).values()
        else:
            yield gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _kind(header: Attributes) -> str:
    dataset = header.layers[0]
    syntax = dataset.file_meta.TransferSyntaxUID.name.split(",")[0]
    signed = ", signed" if header.integer("PixelRepresentation") == 1 else ""
    manufacturer = (header.text("Manufacturer") or "-").split(":")[0]
    return f"{manufacturer}, {header.text('Modality') or '-'}, {syntax}{signed}"


def _write_decoded(content: bytes, path: Path) -> None:
    """Write a file; compressed ones that Debian's dcm2niix cannot read are decoded by another tool."""
    path.write_bytes(content)
    _, syntax = unwrap(content)
    if syntax in (JPEGLosslessSV1, JPEGLSLossless):
        tool = {JPEGLosslessSV1: "/usr/bin/dcmdjpeg", JPEGLSLossless: "/usr/bin/dcmdjpls"}[syntax]
        subprocess.run([tool, path, path], check=True, capture_output=True)
    if syntax == JPEG2000Lossless:
        _decode_with_pillow(path)


def _decode_with_pillow(path: Path) -> None:
    """Join the fragments by hand, decode them with Pillow, write the file uncompressed."""
    dataset = dcmread(path)
    stream, fragments = BytesIO(dataset.PixelData), []
    while (header := stream.read(8))[:4] == b"\xfe\xff\x00\xe0":
        fragments.append(stream.read(int.from_bytes(header[4:], "little")))
    decoded = np.asarray(Image.open(BytesIO(b"".join(fragments[1:]))))
    dataset.PixelData = decoded.astype("<u2").tobytes()
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OW", False
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path)


def _volumes(image: nib.Nifti1Image) -> list[tuple[np.ndarray, np.ndarray]]:
    values = image.get_fdata(dtype=np.float32)
    values = values[..., None] if values.ndim == 3 else values
    return [(values[..., t], image.affine) for t in range(values.shape[3])]


def _canonical(voxels: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    image = nib.as_closest_canonical(nib.Nifti1Image(voxels, affine))
    return np.asarray(image.dataobj), image.affine
