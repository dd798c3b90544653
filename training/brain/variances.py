"""The variances of a finished segmentation network, alone: the labels stay as they are, bit for bit.

The targets are those of the student (training/brain/student.py). The labels are fixed, so their errors are recorded
once (training/brain/records.py); a head of small layers is then regressed on parts of these records, at a learning rate
of its own. It begins from random weights: the variances of ``start`` are not used and may have another shape.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from models.nets.brain import BrainConfig, BrainNet
from models.nets.cause import CauseHead
from models.physics.artefacts import ARTEFACTS
from models.physics.spectrum import feature_names
from training.brain.losses import poisson_regression
from training.brain.networks import VARIANCES
from training.brain.records import RecordsPlan, write_records
from training.running.loop import train
from training.running.run import Learner, RunPlan, load_weights
from training.synthesis.heads import CorruptionModel

#: Side of the part of an image that a step looks at, in voxels of half resolution, and how much of its rim is not
#: judged: a variance depends on three voxels on each side (models/nets/brain.py).
_PART, _RIM = 24, 3
#: Standard deviations of the noise that augments the suspicions (logits) and the intensities' scale (log): the cause
#: head is more certain of this simulator's images than of a scanner's.
_DOUBT, _SCALE = 0.9, 0.08


#: The records of one step, and what draws the part of each that is seen.
_Batch = tuple[list[Path], np.random.Generator]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariancesPlan(RunPlan):
    """``start``: whose labels stay, a checkpoint or an exported judge; ``cause``, ``locator``: what it is served with.

    ``heads``: recorded by ``processes`` at once; ``batch``: parts of so many images a step.
    """

    start: Path
    cause: Path
    locator: Path
    bank: Path
    label_maps: Path
    heads: int = 1000
    processes: int = 2
    batch: int = 2
    steps: int = 4000
    peak_rate: float = 3e-3
    warm_up: int = 50
    tail: float = 0.6
    report_every: int = 100
    corruption_model: CorruptionModel = field(default_factory=lambda: CorruptionModel(probability=0.9))
    seed: int = 8


def train_variances(plan: VariancesPlan) -> None:
    """Record what the finished network does to the heads and train; or resume where either left off."""
    records = write_records(records_plan_of(plan))
    torch.manual_seed(plan.seed)  # the first weights are drawn before the learner seeds everything
    network = BrainNet(BrainConfig())
    load_weights(plan.start, network, without=VARIANCES)
    network.requires_grad_(requires_grad=False)
    network.variances.requires_grad_(requires_grad=True)
    cause = CauseHead(len(feature_names()), len(ARTEFACTS)).eval()
    load_weights(plan.cause, cause)
    learner = Learner(network, plan)

    def batches(first: int) -> Iterator[_Batch]:
        for step in count(first):
            rng = np.random.default_rng((plan.seed, step))
            yield [records[number] for number in rng.choice(len(records), plan.batch)], rng

    def objective(network: nn.Module, batch: _Batch) -> tuple[Tensor, dict[str, Tensor]]:
        paths, rng = batch
        loss = torch.stack([_loss(_brain(network), cause, _read(path), rng) for path in paths]).mean()
        return loss, {"loss": loss}

    train(learner, plan, batches, objective)


def _brain(network: nn.Module) -> BrainNet:
    """The network itself, out of what Fabric may wrap it in."""
    return cast("BrainNet", getattr(network, "module", network))


def records_plan_of(plan: VariancesPlan) -> RecordsPlan:
    """The records that are written before the training."""
    return RecordsPlan(
        folder=plan.run / "records",
        start=plan.start,
        locator=plan.locator,
        bank=plan.bank,
        label_maps=plan.label_maps,
        heads=plan.heads,
        processes=plan.processes,
        corruption_model=plan.corruption_model,
        seed=plan.seed,
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _loss(network: BrainNet, cause: CauseHead, record: dict[str, np.ndarray], rng: np.random.Generator) -> Tensor:
    """Of a random part of one image; what is known of the whole image is known in every part."""
    head, device = network.variances, network.logits.weight.device
    starts = [int(rng.integers(0, n - _PART + 1)) for n in record["evidence"].shape[1:]]
    part = tuple(slice(start, start + _PART) for start in starts)
    with torch.no_grad():
        suspicion = cause(_tensor(record["features"]))
    told = suspicion + _DOUBT * torch.from_numpy(rng.standard_normal(suspicion.shape, np.float32))
    image = _tensor(record["image"][None]) * float(np.exp(rng.normal(0, _SCALE)))
    strength = head.textures(image.to(device))
    whole = head.gather(strength, _tensor(record["air"]).to(device), told.to(device))
    found = head(_tensor(record["evidence"][:, *part]).to(device), strength[:, :, *part], whole)
    inside = (..., *(slice(_RIM, -_RIM),) * 3)
    return poisson_regression(found[inside], _tensor(record["targets"][:, *part]).to(device)[inside])


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))[None]
