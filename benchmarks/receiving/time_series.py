"""What does it cost to fold over a time series of 500 volumes as it is read?

Peak memory beyond that of the imports, and CPU seconds, of ``select`` and one pass over all volumes, for the forms in
which scanners send time series::

    PYTHONPATH=. python benchmarks/receiving/time_series.py --volumes 500 --slices 40 --side 96
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import JPEGLSLossless

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from builders.images.series import Lattice, classic, describe_pixels, enhanced, mosaic, with_syntax  # noqa: E402

from daemon.core.judging.routing import Route  # noqa: E402
from daemon.edge.files.content import FileContent  # noqa: E402
from daemon.line.selection import select  # noqa: E402

FORMS = ("mosaics", "single images", "one Enhanced object", "one Enhanced object, JPEG-LS")


def datasets(form: str, volumes: int, lattice: Lattice) -> Iterator[Dataset]:
    """The series in one of the forms."""
    if form == "mosaics":
        for t in range(volumes):
            yield mosaic(lattice, uid=f"1.2.{t}", number=t + 1)
    elif form == "single images":
        for t in range(volumes):
            for k, image in enumerate(classic(lattice, uid=f"1.2.{t}")):
                image.InstanceNumber, image.TemporalPositionIdentifier = 1 + t * lattice.slices + k, t + 1
                yield image
    else:
        made = enhanced(Lattice(columns=1, rows=1, slices=lattice.slices), volumes)
        frames = np.stack([lattice.numbers(k) for k in range(lattice.slices)]).astype("<u2")
        describe_pixels(made, np.tile(frames, (volumes, 1, 1)))
        if form.endswith("JPEG-LS"):
            packed = [_packed(frame) for frame in frames]
            made = with_syntax(made, JPEGLSLossless)
            made.PixelData = encapsulate(packed * volumes, has_bot=False)
            made["PixelData"].is_undefined_length = True
        yield made


def _packed(image: np.ndarray) -> bytes:
    described = {"rows": image.shape[0], "columns": image.shape[1], "samples_per_pixel": 1, "bits_allocated": 16}
    described |= {"bits_stored": 16, "pixel_representation": 0, "number_of_frames": 1}
    return get_encoder(JPEGLSLossless).encode(
        image, encoding_plugin="pyjpegls", photometric_interpretation="MONOCHROME2", **described
    )


def fold(folder: Path) -> None:
    """Print what one pass over the series in ``folder`` costs."""
    before, began = _peak_mib(), time.process_time()
    image = select(map(FileContent, sorted(folder.iterdir())), [Route(name="all", bundle="b", phases="all")]).image
    ready = time.process_time()
    levels = [float(volume.mean()) for volume in image.voxels]
    done = time.process_time()
    whole = np.prod(image.voxels.shape) * 4 / 2**20
    print(f"{len(levels)} | {whole:.0f} | {_peak_mib() - before:.0f} | {ready - began:.1f} | {done - ready:.1f} |")


def _peak_mib() -> float:
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Print a line a form."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--volumes", type=int, default=500)
    options.add_argument("--slices", type=int, default=40)
    options.add_argument("--side", type=int, default=96)
    options.add_argument("--fold", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.fold:
        fold(chosen.fold)
        return
    lattice = Lattice(columns=chosen.side, rows=chosen.side, slices=chosen.slices)
    print("| form | volumes | float32 MiB | peak beyond the imports MiB | select, CPU s | one pass, CPU s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for form in FORMS:
        with tempfile.TemporaryDirectory() as name:
            for number, dataset in enumerate(datasets(form, chosen.volumes, lattice)):
                dcmwrite(Path(name) / f"{number:06d}.dcm", dataset, enforce_file_format=True)
            print(f"| {form} | ", end="", flush=True)
            subprocess.run([sys.executable, "-P", __file__, "--fold", name], check=True)


if __name__ == "__main__":
    main()
