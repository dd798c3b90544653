"""The shipped bundle of lesions as one that takes a T1 beside the FLAIR, and a T1 of its golden head."""

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import onnx
from onnx import numpy_helper

from daemon.config import optional_bundles
from export.declared import SERIES_BESIDE
from models.bundle import file_digest
from models.lesions.prediction import FILE, GRAPH, IMAGES
from models.methods.lesions import T1
from models.subject import Acquisition, Image, still

#: The weights that a second contrast adds inputs to, and along which axis its image comes last.
_WIDENED = ("network.trunk.stem.weight", "network.trunk.border.0.weight")

#: How far the header of the golden T1 is off.
_OFF = np.array([[1, 0, 0, 4.0], [0, 1, 0, -9.0], [0, 0, 1, 6.0], [0, 0, 0, 1.0]])


def write_paired(folder: Path, weight: float = 0.0) -> Path:
    """The bundle in ``folder``; every weight of the T1 is ``weight``."""
    shutil.copytree(optional_bundles()["brain-wmh"], folder)
    model = onnx.load(folder / FILE)
    for tensor in model.graph.initializer:
        if tensor.name in _WIDENED:
            values = numpy_helper.to_array(tensor)
            added = np.full((len(values), 1, *values.shape[2:]), weight, np.float32)
            tensor.CopyFrom(numpy_helper.from_array(np.concatenate([values, added], axis=1), tensor.name))
    (images,) = (one for one in model.graph.input if one.name == IMAGES)
    images.type.tensor_type.shape.dim[1].dim_value = 2
    del model.graph.value_info[:]
    onnx.save(model, folder / FILE)
    manifest = json.loads((folder / "manifest.json").read_text())
    declared = tomllib.loads((Path(__file__).parents[3] / "export" / "lesions.toml").read_text())
    manifest["inputs"] = declared["inputs"]
    manifest["graphs"][GRAPH]["inputs"][0]["dims"][1] = 2
    t1 = golden_t1(_OFF)
    nib.Nifti1Image(t1.still.astype(np.int16), t1.affine).to_filename(folder / SERIES_BESIDE)
    manifest["golden"]["images"][T1] = SERIES_BESIDE
    manifest["files"] |= {name: file_digest(folder / name) for name in (FILE, SERIES_BESIDE)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def golden_image() -> Image:
    """The golden FLAIR on voxels of 2 mm."""
    image = nib.Nifti1Image.from_filename(optional_bundles()["brain-wmh"] / "golden" / "head.nii.gz")
    return still(np.asarray(image.dataobj, np.float32), np.asarray(image.affine, float))


def golden_t1(movement: np.ndarray | None = None) -> Image:
    """Its T1: fluid dark, grey matter and lesions darker than white matter.

    ``movement`` (4, 4): how far its header is off.
    """
    flair = golden_image()
    values = flair.still / np.float32(np.median(flair.still[flair.still > np.percentile(flair.still, 70)]))
    t1 = np.where(values < 1, values, 1 - 1.2 * (values - 1)).clip(0.05, None) * 500
    affine = (np.eye(4) if movement is None else movement) @ flair.affine
    facts = Acquisition(repetition_time_ms=1900.0, echo_time_ms=2.5, field_strength_t=3.0, protocol="T1 MPRAGE")
    return replace(still(t1.astype(np.float32), affine, facts))
