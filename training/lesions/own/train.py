"""A bundle's lesion network goes on with people: the loss of ``training.lesions.train``, a part of them left out."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from models.nets.lesions import drawn_masks
from training.lesions.examples import Example
from training.lesions.network import begin
from training.lesions.own.examples import OwnStream
from training.lesions.own.people import images_of, parts_of
from training.lesions.own.start import CONFIG, load_start
from training.lesions.own.windows import window_of
from training.lesions.scans import corruptions_in
from training.lesions.train import Loss, loss_of, objective
from training.running.loop import train
from training.running.run import Learner, RunPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class TunePlan(RunPlan):
    """``data``: people and windows; ``start``: the bundle gone on from; ``fold`` of so many ``folds`` is left out.

    Nobody is where ``fold`` is their number. ``dropout``: share of the channels; ``spoilt``: share of the images in
    which something goes wrong; ``loss``: see ``training.lesions.train``.
    """

    data: Path
    start: Path
    fold: int
    folds: int
    steps: int = 400
    peak_rate: float = 3e-4
    warm_up: int = 20
    tail: float = 0.5
    save_every: int = 50
    dropout: float = 0.2
    spoilt: float = 0.15
    loss: Loss = "dice-ce"


def tune(plan: TunePlan) -> None:
    """Train, or resume where ``plan.run/checkpoint.pt`` left off."""
    torch.manual_seed(plan.seed)
    start = load_start(plan.start)

    def descended(network: nn.Module, example: Example) -> tuple[Tensor, dict[str, Tensor]]:
        terms = objective(network(example.images, drawn_masks(CONFIG, plan.dropout)), example)
        return loss_of(terms, plan.loss), terms

    stream = stream_of(plan, start.settings.grid.box)
    train(Learner(begin(start.weights, CONFIG), plan), plan, stream.examples, descended)


def stream_of(plan: TunePlan, box: tuple[int, int, int]) -> OwnStream:
    """What the run of a fold learns from: everybody but those of its part."""
    parts = parts_of(plan.data, plan.folds)
    people = [person for number, part in enumerate(parts) if number != plan.fold for person in part]
    return OwnStream(
        windows=[window_of(image) for image in images_of(plan.data, people)],
        seed=plan.seed,
        box=box,
        corruption_model=corruptions_in(plan.spoilt),
    )
