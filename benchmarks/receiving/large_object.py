"""How much memory does a multi-frame object of nearly 2 GiB cost the receiver and the working half?

A head of several echoes as one Enhanced MR object through a whole daemon: refused by its header, judged (its first
echo), and judged from compressed frames. With 256 slices a volume has 2^26 voxels, the most that is judged. It needs
DCMTK::

    PYTHONPATH=. python benchmarks/receiving/large_object.py --gib 1.9
    PYTHONPATH=. python benchmarks/receiving/large_object.py --gib 0.6 --slices 256
"""

import argparse
import re
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.pixels import get_encoder
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from builders.images.series import Lattice, enhanced, with_syntax  # noqa: E402
from builders.running.daemon import STORESCU, golden_datasets, running_daemon  # noqa: E402 - the path is set above

from daemon.dicom.reading.volumes import read_volumes  # noqa: E402

SIDE = 512
MIB = 2**20


def head(slices: int | None) -> tuple[np.ndarray, Lattice]:
    """The golden head on a fine grid, of so many slices or its own: uint16 (slices, rows, columns); where it lies."""
    (volume,) = read_volumes(golden_datasets())
    voxels = volume.still
    sides = SIDE, SIDE, slices or voxels.shape[2]
    fine = voxels[np.ix_(*(np.arange(side) * count // side for side, count in zip(sides, voxels.shape, strict=True)))]
    noise = np.random.default_rng(0).integers(0, 8, fine.shape)
    steps = np.linalg.norm(volume.affine[:3, :3], axis=0) * np.divide(voxels.shape, sides)
    axes = np.diag([-1, -1, 1]) @ volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    lattice = Lattice(columns=1, rows=1, slices=fine.shape[2], spacing=tuple(steps), rotation=axes)
    scale = 4000 / fine.max()
    return np.ascontiguousarray((fine * scale + noise).astype("<u2").transpose(2, 1, 0)), lattice


def header(lattice: Lattice, echoes: int, number: int, *, planar: bool) -> Dataset:
    """All but the pixels of an object of so many echoes."""
    dataset = enhanced(lattice, echoes, uid=f"1.2.3.{number}")
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = f"1.2.3.{number}.1", f"1.2.3.{number}.2"
    dataset.BodyPartExamined, dataset.Rows, dataset.Columns = "BRAIN", SIDE, SIDE
    dataset.EchoPulseSequence, dataset.EchoPlanarPulseSequence = "GRADIENT", "YES" if planar else "NO"
    del dataset.SharedFunctionalGroupsSequence[0].MREchoSequence, dataset.PixelData
    for n, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        echo = Dataset()
        echo.EffectiveEchoTime = 3.0 + 2 * (n // lattice.slices)
        group.MREchoSequence = [echo]
        del group.MRDiffusionSequence
    return dataset


def write(path: Path, dataset: Dataset, frames: list[bytes], echoes: int, *, compressed: bool) -> None:
    """A DICOM file whose pixel data are the same frames for every echo."""
    dataset = with_syntax(dataset, JPEGLSLossless if compressed else ExplicitVRLittleEndian)
    dcmwrite(path, dataset, enforce_file_format=True)
    length = 0xFFFFFFFF if compressed else echoes * sum(map(len, frames))
    with path.open("ab") as file:
        file.write(struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB" if compressed else b"OW", 0, length))
        if compressed:
            file.write(struct.pack("<HHL", 0xFFFE, 0xE000, 0))
        for _ in range(echoes):
            file.writelines(_fragments(frames) if compressed else frames)
        if compressed:
            file.write(struct.pack("<HHL", 0xFFFE, 0xE0DD, 0))


def _fragments(frames: list[bytes]) -> Iterator[bytes]:
    for frame in frames:
        padded = frame + b"\0" * (len(frame) % 2)
        yield struct.pack("<HHL", 0xFFFE, 0xE000, len(padded)) + padded


def _compressed(image: np.ndarray) -> bytes:
    description = {
        "rows": SIDE,
        "columns": SIDE,
        "samples_per_pixel": 1,
        "bits_allocated": 16,
        "bits_stored": 16,
        "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2",
        "number_of_frames": 1,
    }
    return get_encoder(JPEGLSLossless).encode(image, encoding_plugin="pyjpegls", **description)


def peak_mib(pid: int | None) -> int:
    """The most memory that a process has had, VmHWM."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) // 1024 if found else 0


def main() -> None:
    """Print a line an object."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gib", type=float, default=1.9)
    options.add_argument("--slices", type=int, help="instead of the golden head's own")
    chosen = options.parse_args()
    gib = chosen.gib
    voxels, lattice = head(chosen.slices)
    plain = [image.tobytes() for image in voxels]
    small = [_compressed(image) for image in voxels]
    print("| object | frames | MiB | answer | seconds | receiver, peak MiB | working half, before and peak MiB |")
    print("| --- | ---: | ---: | --- | ---: | ---: | ---: |")
    for number, (compressed, planar) in enumerate([(False, True), (False, False), (True, False)], start=1):
        frames = small if compressed else plain
        echoes = int(gib * 2**30 // sum(map(len, frames)))
        with tempfile.TemporaryDirectory() as name, running_daemon(Path(name)) as daemon:
            path, before = Path(name) / "object.dcm", peak_mib(daemon.working_pid())
            dataset = header(lattice, echoes, number, planar=planar)
            write(path, dataset, frames, echoes, compressed=compressed)
            began = time.monotonic()
            syntax = "-xt" if compressed else "-x="
            command = [
                STORESCU,
                syntax,
                "-aec",
                "SCANSIDE",
                "-aet",
                "MR1",
                "127.0.0.1",
                str(daemon.dicom_port),
                str(path),
            ]
            subprocess.run(command, check=True)
            record = daemon.done(f"1.2.3.{number}.1", seconds=600)
            kind = f"{'JPEG-LS' if compressed else 'uncompressed'}, {echoes} echoes{', echo-planar' if planar else ''}"
            peaks = peak_mib(daemon.receiver_pid()), before, peak_mib(daemon.working_pid())
            said = f"{record['verdict']}: {record['reasons'][0] if record['reasons'] else ''}"
            print(
                f"| {kind} | {dataset.NumberOfFrames} | {path.stat().st_size / MIB:.0f} | {said} | "
                f"{time.monotonic() - began:.0f} | {peaks[0]} | {peaks[1]}, {peaks[2]} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
