"""The golden head: a synthetic series that ships with a bundle; every host must get the same numbers for it."""

from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from export.declared import OUTPUTS, SERIES, TOLERANCES
from models.brain.familiarity import Space, distances
from models.brain.scores import score, volumes_ml
from models.golden import Recorder, save_record
from models.graphs import Run
from models.manifest import Golden
from models.methods.brain import ROLE
from models.physics.kspace import Noise
from training.brain.networks import networks_by
from training.synthesis.appearance import Protocol, draw_appearance, render, scan
from training.synthesis.generators import generators_of
from training.synthesis.labelmaps import TISSUES, load_class_table
from training.synthesis.scanner import Reconstruction

_LEVELS = 1000


def write_golden_head(anatomy: Path, label_maps: Path, seed: int, path: Path) -> None:
    """Draw the head from a banked anatomy and write it as a NIfTI file of 16-bit integers."""
    table = load_class_table(label_maps)
    classes = torch.from_numpy(np.load(anatomy))
    generators = generators_of(seed)
    protocol = Protocol(
        field_of_view=((8, 200), (8, 248), (60, 260)),
        voxel_mm=(2, 2, 2),
        reconstruction=Reconstruction(zero_fill=(1.25, 1.25, 1.25), noise=Noise(snr_db=30, seed=seed)),
    )
    ideal, grid = render(classes, table, draw_appearance(table, generators.host, as_scanned=True), protocol, generators)
    scanned, grid = scan(ideal, grid, protocol, ())
    stored = scanned.numpy()
    levels = np.rint(stored * (_LEVELS / np.percentile(stored, 99.5))).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(levels, grid.affine), path)


def expect(folder: Path, graphs: Mapping[str, Run], spaces: Mapping[str, Space]) -> Golden:
    """What the networks say of the golden head in a bundle's folder; their outputs are written beside it."""
    image = nib.Nifti1Image.from_filename(folder / SERIES)
    recorders = {name: Recorder(run) for name, run in graphs.items()}
    prediction = networks_by(recorders).predict(np.asarray(image.dataobj, np.float32), np.asarray(image.affine))
    save_record(folder / OUTPUTS, {name: recorder.values for name, recorder in recorders.items()})
    expected = {**score(prediction, TISSUES), **volumes_ml(prediction, TISSUES), **distances(prediction, spaces)}
    return Golden(images={ROLE: SERIES}, outputs=OUTPUTS, expected=expected, tolerances=TOLERANCES)
