"""The cause head: which artefacts a stored image holds, from its spectrum (models/physics/spectrum.py).

Trained apart from the segmentation, on images as scanners store them: the artefact happens on the acquisition grid,
then comes a reconstruction and sometimes another interpolation or a crop, and only that image is described.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.nets.cause import CauseHead
from models.physics.artefacts import ARTEFACTS
from models.physics.kspace import Image
from models.physics.spectrum import describe, feature_names
from models.preprocess import Grid, resample
from training.running.loop import train
from training.running.run import Journal, Learner, RunPlan
from training.synthesis.examples import origin_of
from training.synthesis.generators import Generators, generators_of
from training.synthesis.heads import CorruptionModel, draw_corruptions
from training.synthesis.scene import Origin, draw_scene


@dataclass(frozen=True, slots=True, kw_only=True)
class CausePlan(RunPlan):
    """Paths, number of described images, and the optimiser's settings.

    ``certain``: the severity from which an artefact counts as fully present; what is fainter is so in part, for nobody
    can tell a clean image from one with an artefact of severity 0.05, and hard targets there are learnt by heart.
    ``processes``: so many describe images at once.
    """

    bank: Path
    label_maps: Path
    images: int = 6000
    steps: int = 2000
    batch: int = 256
    peak_rate: float = 2e-3
    warm_up: int = 0
    tail: float = 1.0
    report_every: int = 500
    certain: float = 0.3
    processes: int = 1
    seed: int = 3


def write_features(plan: CausePlan) -> None:
    """Describe images until ``plan.run/features`` holds ``plan.images`` of them; resumes."""
    (plan.run / "features").mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(plan.images) if not _record(plan, number).exists()]
    with ProcessPoolExecutor(plan.processes, mp_context=get_context("spawn")) as processes:
        for _ in processes.map(partial(_write_record, plan), missing, chunksize=8):
            pass


def _record(plan: CausePlan, number: int) -> Path:
    return plan.run / "features" / f"{number:06d}.npz"


def _write_record(plan: CausePlan, number: int) -> None:
    """Describe image ``number``; a killed run never leaves half a file."""
    torch.set_num_threads(1)  # the processes beside this one have the other cores
    origin = origin_of(plan.bank, plan.label_maps, torch.device("cpu"))
    generators = generators_of(plan.seed, number)
    image, grid, severity = draw_stored(origin, CorruptionModel(probability=0.8, second=0.1), generators)
    partial_file = _record(plan, number).with_suffix(".part.npz")
    np.savez(partial_file, features=describe(image, grid.affine), severity=severity)
    partial_file.rename(_record(plan, number))


def draw_stored(
    origin: Origin, corruption_model: CorruptionModel, generators: Generators
) -> tuple[Image, Grid, npt.NDArray[np.float32]]:
    """One image as a scanner stores it, its grid, and the severity of each artefact (5,)."""
    scene = draw_scene(origin, generators)
    corruptions, severity = draw_corruptions(corruption_model, generators.host)
    scanned, grid = scene.stored(tuple(corruptions.values()))
    stored: Image = scanned.numpy()
    if generators.host.random() < 0.35:
        stored, grid = _interpolated(stored, grid, generators.host)
    return stored, grid, severity


def _interpolated(image: Image, grid: Grid, rng: np.random.Generator) -> tuple[Image, Grid]:
    """The image on another grid, as consoles and converters write it; sometimes part of the field of view only."""
    factors = rng.uniform(0.75, 1.4, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(0.75, 1.4))
    kept = 1 - rng.uniform(0, 0.25, 3) * (rng.random() < 0.5)
    step = grid.spacing * factors
    shape = np.maximum(24, np.floor(np.asarray(grid.shape) * kept / factors)).astype(int)
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = grid.affine[:3, 3] + (np.asarray(grid.shape) * grid.spacing - shape * step) / 2
    target = Grid(tuple(shape.tolist()), affine)
    return resample(image, grid, target), target


def read_features(folder: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Features (N, F) and severities (N, 5) of all described images."""
    records = [np.load(path) for path in sorted(folder.glob("??????.npz"))]
    if not records:
        raise FileNotFoundError(f"no described images in {folder}: run python -m training cause first")
    return np.stack([r["features"] for r in records]), np.stack([r["severity"] for r in records])


def train_cause(plan: CausePlan) -> CauseHead:
    """Train the head on the described images, or resume; the last tenth is held out and reported."""
    torch.manual_seed(plan.seed)
    features, severity = (torch.from_numpy(a) for a in read_features(plan.run / "features"))
    held_out = max(1, len(features) // 10)
    head = CauseHead(len(feature_names()), len(ARTEFACTS))
    head.fit_scale(features[:-held_out])
    learner = Learner(head, plan, weight_decay=0.1)
    spread = head.spread.clone()

    def objective(network: nn.Module, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        noisy = features[rows] + 0.3 * spread * torch.randn(len(rows), features.shape[1])
        present = torch.clamp(severity[rows] / plan.certain, 0, 1)
        loss = F.binary_cross_entropy_with_logits(network(noisy), present)
        return loss, {"loss": loss}

    def batches(first: int) -> Iterator[Tensor]:
        for step in count(first):
            draws = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
            yield torch.randint(len(features) - held_out, (plan.batch,), generator=draws)

    train(learner, plan, batches, objective)
    trained: CauseHead = learner.average.network.eval()  # type: ignore[assignment]
    Journal(plan.run).write(step=learner.step, **_report(trained, features[-held_out:], severity[-held_out:]))
    return trained


@torch.no_grad()
def _report(head: CauseHead, features: Tensor, severity: Tensor) -> dict[str, float]:
    """Share of single-artefact images whose first cause is right, by artefact, and of clean images kept clean."""
    probability = head(features).sigmoid()
    single = ((severity > 0).sum(dim=1) == 1) & (severity.max(dim=1).values > 0.2)
    right = probability.argmax(dim=1) == severity.argmax(dim=1)
    clean = severity.max(dim=1).values == 0
    report = {
        "first": right[single].float().mean().item(),
        "clean": (probability[clean].max(dim=1).values < 0.5).float().mean().item(),
    }
    for number, artefact in enumerate(ARTEFACTS):
        report[artefact] = right[single & (severity[:, number] > 0)].float().mean().item()
    return report
