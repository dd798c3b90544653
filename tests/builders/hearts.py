"""Cines of hearts as scanners send them: a pig's (CC0) from the evaluation data, and the small one of the bundle."""

import os
import tarfile
from copy import deepcopy
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

NAME = "cine-sa"
DATA = Path(os.environ.get("SCANSIDE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))


@cache
def pig_datasets() -> tuple[Dataset, ...]:
    """One series, twenty slice positions of twenty phases each (GE)."""
    path = DATA / "dicom" / "cardiac-cine-pig-dicom" / "shortAxis.tar.xz"
    if not path.exists():
        pytest.skip(f"no cine in {path.parent}")
    with tarfile.open(path) as archive:
        members = sorted((one for one in archive if one.isfile()), key=lambda one: one.name)
        return tuple(dcmread(BytesIO(archive.extractfile(one).read())) for one in members)


@cache
def positions() -> dict[str, tuple[Dataset, ...]]:
    """A study of eleven cines of one position each (Siemens), by their folders: six short axes, five long ones."""
    path = DATA / "dicom-field" / "cine-human-siemens-vida" / "series.tar.xz"
    if not path.exists():
        pytest.skip(f"no cine in {path.parent}")
    found: dict[str, list[Dataset]] = {}
    with tarfile.open(path) as archive:
        for one in sorted((one for one in archive if one.isfile()), key=lambda one: one.name):
            dataset = dcmread(BytesIO(archive.extractfile(one).read()))
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
