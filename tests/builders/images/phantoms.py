"""MR series of a phantom that is no head: two tissues in air, of any contrast, still or repeated in time."""

from dataclasses import replace

import numpy as np
from pydicom.uid import generate_uid

from daemon.dicom.simulate import series_from_image
from models.subject import Acquisition, still

SHAPE, AFFINE = (48, 40, 14), np.diag([3.0, 3.0, 5.0, 1.0])
T2 = {"ScanningSequence": "SE", "EchoTime": "95", "RepetitionTime": "4500", "ImageType": ["ORIGINAL", "PRIMARY", "M"]}


def volume(seed=0, *, noise=12.0, bright=900.0, dark=500.0):
    """Voxels float32 (i, j, k) in Rician noise, of another person for each seed."""
    rng = np.random.default_rng(seed)
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, side) for side in SHAPE), indexing="ij")
    radius = np.sqrt((i / rng.uniform(0.6, 0.7)) ** 2 + (j / rng.uniform(0.55, 0.65)) ** 2 + (k / 1.5) ** 2)
    clean = np.select([radius < 0.6, radius < 1], [bright, dark], 0.0) * rng.uniform(0.97, 1.03)
    level = noise * rng.uniform(0.93, 1.07)
    return np.hypot(clean + rng.normal(0, level, SHAPE), rng.normal(0, level, SHAPE)).astype(np.float32)


def image(voxels):
    """The still image of voxels (i, j, k)."""
    return still(voxels, AFFINE)


def run_of(volumes):
    """The image of voxels (T, i, j, k) of one contrast."""
    count = len(volumes)
    return replace(
        image(volumes[0]),
        voxels=volumes,
        times_ms=np.arange(count) * 2000.0,
        dimensions=tuple({} for _ in range(count)),
    )


def series(voxels, name, *, study=None, **header):
    """Data sets of one series of protocol ``name``; ``header``: what it states besides, by DICOM keyword."""
    acquired = replace(image(voxels), acquisition=Acquisition(protocol=name, body_part="ABDOMEN"))
    for dataset in series_from_image(acquired, name, description=name):
        for keyword, value in {**T2, **header}.items():
            setattr(dataset, keyword, value)
        dataset.StudyInstanceUID = study or dataset.StudyInstanceUID
        yield dataset


def repeated(volumes, name, *, study=None, headers=None, **header):
    """The same of voxels (T, i, j, k) in one series; ``headers``: what each volume states besides."""
    uid = generate_uid(entropy_srcs=[name, str(study)])
    for number, voxels in enumerate(volumes):
        stated = {**header, **(headers[number] if headers else {})}
        for dataset in series(voxels, name, study=study, AcquisitionNumber=number + 1, **stated):
            dataset.SeriesInstanceUID = uid
            dataset.InstanceNumber = dataset.InstanceNumber + number * voxels.shape[2]
            dataset.SOPInstanceUID = generate_uid(entropy_srcs=[uid, str(dataset.InstanceNumber)])
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            yield dataset
