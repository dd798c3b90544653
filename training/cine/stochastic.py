"""How the labels of a heart vary together (paper 003), on a finished network: trunk and labels stay as they are."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from models.nets.cine import CineJudge, whole_masks
from training.cine.examples import Batch, Slices, batches
from training.cine.train import CinePlan
from training.running.loop import train
from training.running.run import Learner, load_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class CineStochasticPlan(CinePlan):
    """``start``: checkpoint of the run of ``cine`` that left the same ``fold`` out; ``samples``: drawn a slice."""

    start: Path
    steps: int = 200
    peak_rate: float = 2e-3
    warm_up: int = 10
    report_every: int = 25
    batch: int = 8
    samples: int = 10


class _Covariance(nn.Module):
    """A frozen network with the head that is trained; Fabric sees one network."""

    def __init__(self, judge: CineJudge) -> None:
        super().__init__()
        self.cine = judge.cine.requires_grad_(requires_grad=False)
        self.factor = judge.factor

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, factor and deviation."""
        self.cine.eval()  # what batch norm has seen stays
        with torch.no_grad():
            found = self.cine(image, whole_masks(self.cine.config, len(image)))
        return found.logits, *self.factor(found.evidence)


def train_cine_stochastic(plan: CineStochasticPlan) -> None:
    """Train, or resume where ``plan.run/checkpoint.pt`` left off."""
    torch.manual_seed(plan.seed)
    judge = CineJudge()
    load_weights(plan.start, judge.cine)
    slices = Slices.of(plan.data, plan.patients)

    def objective(network: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        terms = _losses(network(batch.image), batch, plan.samples)
        return terms["nll"], terms

    def items(first: int) -> Iterator[Batch]:
        return batches(slices, plan.batch, plan.seed + 7, first)

    train(Learner(_Covariance(judge), plan), plan, items, objective)


def _losses(found: tuple[Tensor, Tensor, Tensor], batch: Batch, samples: int) -> dict[str, Tensor]:
    """Likelihood of each slice's labels under draws of its own, each pixel counted once (equation 8)."""
    mean, factor, deviation = (one.float() for one in found)
    near = ((batch.labels > 0) | (mean.argmax(dim=1) > 0)).float()
    drawn = (_draws(samples, *one) for one in zip(mean, factor, deviation, strict=True))
    nll = torch.stack([_nll(*one) for one in zip(drawn, batch.labels, near, strict=True)])
    plain = (nn.functional.cross_entropy(mean, batch.labels, reduction="none") * near).sum(dim=(1, 2))
    pixels = near.sum(dim=(1, 2)).clamp(min=1)
    return {"nll": (nll / pixels).mean(), "nll_of_mean": (plain / pixels).mean(), "deviation": deviation.mean()}


def _draws(samples: int, mean: Tensor, factor: Tensor, deviation: Tensor) -> Tensor:
    """Logits (M, C, H, W) of one slice, in antithetic pairs."""
    together, alone = torch.randn(samples // 2, len(factor)), torch.randn(samples // 2, *mean.shape)
    change = torch.einsum("mr,rcxy->mcxy", together, factor) + deviation * alone
    return mean + torch.cat([change, -change])


def _nll(logits: Tensor, labels: Tensor, near: Tensor) -> Tensor:
    each = nn.functional.cross_entropy(logits, labels.expand(len(logits), -1, -1), reduction="none")
    return math.log(len(logits)) - torch.logsumexp(-(each * near).sum(dim=(1, 2)), dim=0)
