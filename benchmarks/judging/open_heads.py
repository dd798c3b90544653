"""The open real T1 heads of the shared data as one folder of people, for ``python -m training harm``.

Four patients of clinical-2d (CC BY), datalad (PDDL; its voxels of 0.67 mm averaged to 1 mm, for the sake of time),
Elition (BSD-2), electrodes (MIT), the MNI152 average. Run it from the repository root::

    PYTHONPATH=. python benchmarks/judging/open_heads.py --data ../shared/data --out runs/open/data
"""

import argparse
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

from daemon.dicom.parsing import parse_file
from daemon.dicom.reading.volumes import read_volumes
from daemon.edge.files.nifti import read_nifti
from models.preprocess import Grid, isotropic_grid, resample
from models.subject import Image

SERIES = {"datalad": "head-t1-datalad-defaced", "elition": "head-t1-philips-elition"}
FILES = {"electrodes": "strangers/electrodes/MR.nii.gz", "mni152": "templates/mni152-2mm/MNI152_T1_2mm.nii.gz"}
FINEST_MM = 1.0


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, default=Path("../shared/data"))
    options.add_argument("--out", type=Path, required=True)
    chosen = options.parse_args()
    for person, visit, image in heads(chosen.data):
        path = chosen.out / f"sub-{person}" / "anat" / f"sub-{person}{visit}_T1w.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.Nifti1Image(*on_whole_millimetres(image)).to_filename(path)
        print(path)


def heads(data: Path) -> Iterator[tuple[str, str, Image]]:
    """Person, visit (may be empty) and image."""
    for path in sorted(data.glob("clinical-2d/*/study?_T1W.nii.gz")):
        yield path.parent.name, f"_ses-{path.name[5]}", read_nifti(path)
    for name, folder in SERIES.items():
        with lzma.open(data / "dicom" / folder / "series.tar.xz") as packed, tarfile.open(fileobj=packed) as archive:
            files = [archive.extractfile(member).read() for member in archive if member.isfile()]
        (image,) = read_volumes([parse_file(file) for file in files if file[128:132] == b"DICM"])
        yield name, "", image
    for name, file in FILES.items():
        yield name, "", read_nifti(data / file)


def on_whole_millimetres(image: Image) -> tuple[np.ndarray, np.ndarray]:
    """Voxels and affine; voxels that are all finer than a millimetre are averaged to it."""
    grid = Grid(image.still.shape, image.affine)
    if grid.spacing.max() >= FINEST_MM:
        return np.asarray(image.still, np.float32), image.affine
    coarser = isotropic_grid(grid, FINEST_MM)
    return resample(np.asarray(image.still, np.float32), grid, coarser), coarser.affine


if __name__ == "__main__":
    main()
