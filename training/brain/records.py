"""What a finished network sees of synthetic heads, written down once: the evidence and the error of its labels.

Its labels no longer change, so a head of small layers need not wait, descent after descent, for the synthesis and the
trunk behind it. Heads go the daemon's own way, from the stored image through the locator into the served box; clean
and spoilt, each is one record.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.brain.prediction import Locate, NoHeadFound, Prepared, prepare
from models.nets.brain import BrainConfig, BrainNet, BrainOutput
from models.physics.artefacts import ARTEFACTS
from models.physics.kspace import Corruption
from models.preprocess import Grid, isotropic_grid, nearest, resample
from training.brain.losses import cross_entropy, error_maps, variance_targets
from training.brain.networks import BRAIN_GRID, VARIANCES, load_locator, locator_of
from training.running.run import load_weights
from training.synthesis.examples import origin_of
from training.synthesis.generators import Generators, generators_of
from training.synthesis.heads import CorruptionModel, brain_mask, brain_scale, draw_corruptions
from training.synthesis.scene import Scene, draw_scene

Record = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsPlan:
    """``start``: checkpoint of the network, or an exported judge; ``heads``: so many, each clean and, mostly, spoilt.

    ``processes``: so many at once.
    """

    folder: Path
    start: Path
    locator: Path
    bank: Path
    label_maps: Path
    heads: int
    processes: int
    corruption_model: CorruptionModel
    seed: int


def write_records(plan: RecordsPlan) -> list[Path]:
    """The records, about twice ``plan.heads``; those that are there are kept. Heads that are not found have none."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(plan.heads) if not _done(plan, number).exists()]
    with ProcessPoolExecutor(plan.processes, mp_context=get_context("spawn")) as processes:
        for _ in processes.map(partial(_write, plan), missing, chunksize=4):
            pass
    return sorted(plan.folder.glob("??????-*.npz"))


def _done(plan: RecordsPlan, number: int) -> Path:
    return plan.folder / f"{number:06d}.done"


def _write(plan: RecordsPlan, number: int) -> None:
    """The records of one head; a killed run never leaves half a file that counts."""
    torch.set_num_threads(1)  # the processes beside this one have the other cores
    for kind, record in zip(
        ("clean", "spoilt"), _records_of_head(plan, generators_of(plan.seed, number)), strict=False
    ):
        path = plan.folder / f"{number:06d}-{kind}.npz"
        partial_file = path.with_suffix(".part.npz")
        np.savez(partial_file, allow_pickle=False, **{name: np.asarray(v, np.float16) for name, v in record.items()})
        partial_file.rename(path)
    _done(plan, number).touch()


@torch.no_grad()
def _records_of_head(plan: RecordsPlan, generators: Generators) -> list[Record]:
    """The record of the clean head, then of the spoilt one if something went wrong; none where no head is found."""
    origin = origin_of(plan.bank, plan.label_maps, torch.device("cpu"))
    scene = draw_scene(origin, generators, as_scanned=True)
    corruptions, severity = draw_corruptions(plan.corruption_model, generators.host)
    predictor = _predictor(plan.start, plan.locator)
    try:
        clean = predictor.predict(scene, ())
        spoilt = predictor.predict(scene, tuple(corruptions.values())) if corruptions else None
    except NoHeadFound:
        return []
    nothing = torch.zeros(1, len(ARTEFACTS))
    records = [clean.record(variance_targets(clean.errors, clean.errors, nothing))]
    if spoilt is not None:
        usual = predictor.errors_of_clean(scene, spoilt.prepared.grid)
        records.append(spoilt.record(variance_targets(spoilt.errors, usual, torch.from_numpy(severity)[None])))
    return records


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """One prepared image, what the network found in it, and the error of its labels (1, D/2, H/2, W/2)."""

    prepared: Prepared
    found: BrainOutput
    errors: Tensor

    def record(self, targets: Tensor) -> Record:
        """What is kept: see ``training/brain/variances.py``."""
        return {
            "image": self.prepared.image,
            "features": self.prepared.features,
            "evidence": self.found.evidence[0].numpy(),
            "air": self.found.air[0].numpy(),
            "targets": targets[0].numpy(),
        }


class _Predictor:
    """A network and a locator, applied to scenes as the daemon applies them to series."""

    def __init__(self, network: BrainNet, locate: Locate) -> None:
        self._network, self._locate = network, locate

    def predict(self, scene: Scene, corruptions: Sequence[Corruption]) -> _Judged:
        """The scene as it is served after these artefacts.

        Raises:
            NoHeadFound: the locator finds no brain.
        """
        stored, grid = scene.stored(corruptions)
        prepared = prepare(stored.numpy(), grid.affine, BRAIN_GRID, self._locate)
        found = self._network(torch.from_numpy(prepared.image)[None, None])
        return _Judged(prepared=prepared, found=found, errors=_errors(found, scene, prepared.grid))

    def errors_of_clean(self, scene: Scene, box: Grid) -> Tensor:
        """The error of the labels of the clean scene in a box that was placed on the spoilt one."""
        stored, grid = scene.stored()
        head = isotropic_grid(grid, BRAIN_GRID.spacing_mm)
        image = torch.from_numpy(nearest(resample(stored.numpy(), grid, head), head, box))
        scaled = image / brain_scale(image, brain_mask(_truth(scene, box)))
        return _errors(self._network(scaled[None, None]), scene, box)


def _errors(found: BrainOutput, scene: Scene, box: Grid) -> Tensor:
    return error_maps(cross_entropy(found.logits.log_softmax(dim=1), _truth(scene, box)[None]))


def _truth(scene: Scene, box: Grid) -> Tensor:
    """Shares (4, D, H, W) of the tissues in the voxels of a box; background outside the field of view."""
    tissues = np.stack([resample(one.numpy(), scene.shares_grid, box) for one in scene.shares[1:]])
    return torch.from_numpy(np.concatenate([1 - tissues.sum(axis=0, keepdims=True), tissues]))


@cache
def _predictor(start: Path, locator: Path) -> _Predictor:
    network = BrainNet(BrainConfig()).eval()
    load_weights(start, network, without=VARIANCES)
    return _Predictor(network, locator_of(load_locator(locator)))
