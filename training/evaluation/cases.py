"""Heads with known truth that no network ever trained on: real people, and synthetic ones of another seed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import torch

from models.physics.artefacts import ARTEFACTS, Artefact
from models.physics.kspace import corrupt
from models.physics.severity import draw
from models.preprocess import Grid, nearest
from training.evaluation.torchio_simulator import draw_scan
from training.synthesis.appearance import draw_voxel_size
from training.synthesis.examples import origin_of
from training.synthesis.generators import generators_of
from training.synthesis.heads import CorruptionModel, draw_corruptions
from training.synthesis.scene import DrawSize, draw_scene
from training.truth import Truth


def real_people(folder: Path) -> Iterator[Truth]:
    """The whole heads of ``folder`` (sub-XX/anat) with their silver tissue maps.

    Raises:
        FileNotFoundError: there are none.
    """
    images = sorted(folder.glob("sub-*/anat/*_T1w.nii.gz"))
    if not images:
        raise FileNotFoundError(f"no sub-XX/anat/*_T1w.nii.gz in {folder}: give the evaluation data with --data")
    for path in images:
        image = nib.Nifti1Image.from_filename(path)
        labels = nib.Nifti1Image.from_filename(path.with_name(path.name.replace("T1w", "desc-tissue_dseg")))
        yield Truth(
            name=path.parts[-3],
            voxels=np.asarray(image.dataobj, np.float32),
            labels=np.asarray(labels.dataobj).astype(np.uint8),
            affine=np.asarray(image.affine),
        )


def with_artefact(truth: Truth, artefact: Artefact, severity: float, seed: int) -> Truth:
    """The same head with one artefact, in the paper's own way: on the image's own grid."""
    spacing = Grid(truth.voxels.shape, truth.affine).spacing
    corruption = draw(artefact, severity, np.random.default_rng((seed, ARTEFACTS.index(artefact))))
    voxels = corrupt(truth.voxels, (corruption,), spacing)
    return replace(truth, voxels=voxels, severity=_alone(artefact, severity))


def by_the_second_scanner(truth: Truth, artefact: Artefact | None, severity: float, seed: int) -> Truth:
    """The same head scanned by the second simulator; its labels stay on their own grid. None: no artefact."""
    number = ARTEFACTS.index(artefact) if artefact else len(ARTEFACTS)
    scan = draw_scan(artefact, severity, np.random.default_rng((seed, number)))
    voxels, affine = scan.apply(truth.voxels, truth.affine)
    return replace(truth, voxels=voxels, affine=affine, labels_affine=truth.affine, severity=_alone(artefact, severity))


def _alone(artefact: Artefact | None, severity: float) -> npt.NDArray[np.float32]:
    """The severity of each artefact (5,) where there is one at most."""
    return np.array([severity if kind is artefact else 0.0 for kind in ARTEFACTS], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticPeople:
    """Heads of a seed as a scanner stores them, of the contrasts that scans have, with labels on the stored grid.

    ``corruption_model``: what may go wrong in them, if anything.
    """

    bank: Path
    label_maps: Path
    seed: int
    corruption_model: CorruptionModel | None = None
    draw_size: DrawSize = draw_voxel_size

    def head(self, number: int) -> Truth:
        """The same number, the same head."""
        origin = origin_of(self.bank, self.label_maps, torch.device("cpu"))
        generators = generators_of(self.seed, number)
        scene = draw_scene(origin, generators, draw_size=self.draw_size, as_scanned=True)
        corruptions, severity = draw_corruptions(self.corruption_model, generators.host)
        stored, grid = scene.stored(tuple(corruptions.values()))
        labels = scene.shares.argmax(dim=0).numpy().astype(np.uint8)
        return Truth(
            name=f"{self.seed}-{number}",
            voxels=stored.numpy(),
            labels=nearest(labels, scene.shares_grid, grid),
            affine=grid.affine,
            severity=severity,
        )
