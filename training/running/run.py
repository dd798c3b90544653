"""A training run on disk: its checkpoints, its averaged weights, its log. The loops themselves are in the trainers."""

import json
import math
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import onnx
import onnx.numpy_helper
import torch
from torch import Tensor, nn

from models.nets.brain import current_name

#: Fabric's names for the precision of a run: bf16-mixed where the processor has it natively, else 32-true.
Precision = Literal["32-true", "bf16-mixed"]


#: The average of weights looks back over so many steps, and over no more than this share of a run: else it lags.
_AVERAGED, _AVERAGED_SHARE = 500, 0.1


class WeightAverage:
    """Exponential moving average of the weights of a run of ``steps`` (Polyak): what is evaluated and shipped."""

    def __init__(self, network: nn.Module, steps: int) -> None:
        self.network = deepcopy(network).eval().requires_grad_(requires_grad=False)
        self._decay = 1 - 1 / max(1.0, min(_AVERAGED, _AVERAGED_SHARE * steps))

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards ``network``; quickly at first, so that early averages are not the random start."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for averaged, current in zip(self.network.parameters(), network.parameters(), strict=True):
            averaged.lerp_(current.detach(), 1 - decay)
        for kept, newest in zip(self.network.buffers(), network.buffers(), strict=True):
            kept.copy_(newest)  # what batch norm has seen


def learning_rate(step: int, total: int, peak: float, warm_up: int = 200, tail: float = 0.3) -> float:
    """Warm-up, plateau, then a cosine over the last ``tail`` of the steps: a run can be prolonged from its plateau."""
    if step < warm_up:
        return peak * (step + 1) / warm_up
    start = total * (1 - tail)
    if step < start:
        return peak
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - start) / (total - start)))))


class Journal:
    """One JSON object a line in ``log.jsonl``, echoed to the terminal."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "log.jsonl"
        self._began = time.monotonic()

    def write(self, **facts: float | str) -> None:
        """Append one record."""
        record = {"elapsed_s": round(time.monotonic() - self._began, 1), **facts}
        with self._path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        print(" ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in record.items()), flush=True)


class Losses:
    """Running means of named losses."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}  # read once a report: a card need not be waited for
        self._count = 0

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """One step's losses."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value.detach()
        self._count += 1

    def means(self) -> dict[str, float]:
        """The means since the last call."""
        means = {name: float(total) / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        return means


class Schedule(Protocol):
    """Something that changes with the losses, and is saved with the run. ``rate_factor`` scales the learning rate."""

    rate_factor: float

    def observe(self, means: Mapping[str, float]) -> None:
        """Mean losses by name since the last time."""

    def state_dict(self) -> dict[str, float]:
        """Everything that must be restored."""

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Restore it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What decides every run: its folder, its length, the optimiser, how often it is reported and saved.

    ``tail``: share of the steps over which the learning rate falls at the end.

    ``devices``: processors or cards; each trains on heads of its own, and the gradients are averaged.
    """

    run: Path
    steps: int
    peak_rate: float
    warm_up: int = 200
    tail: float = 0.3
    seed: int = 1
    report_every: int = 50
    save_every: int = 250
    precision: Precision = "32-true"
    devices: int = 1


class Learner:
    """A network, its averaged twin and its optimiser, on whatever devices Fabric finds; saved and restored as one.

    ``schedule``: anything else with a state that is saved with them, and that is told the mean losses.
    """

    def __init__(
        self, network: nn.Module, plan: RunPlan, schedule: Schedule | None = None, *, weight_decay: float = 1e-5
    ) -> None:
        from lightning_fabric import Fabric  # noqa: PLC0415 - two seconds: who reads weights and trains none needs none

        self.fabric = Fabric(accelerator="auto", devices=plan.devices, precision=plan.precision)
        self.fabric.launch()
        self.fabric.seed_everything(plan.seed, verbose=False)
        self.average = WeightAverage(network, plan.steps)
        trained = [p for p in network.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(trained, lr=plan.peak_rate, weight_decay=weight_decay)
        self.network, self.optimiser = self.fabric.setup(network, optimiser)
        self.average.network.to(self.fabric.device)
        self.schedule = schedule
        self.step = 0

    def observe(self, means: Mapping[str, float]) -> None:
        """Tell the schedule the mean losses since the last time."""
        if self.schedule is not None:
            self.schedule.observe(means)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint, if there is one."""
        if path.exists():
            state = self._state()
            self.fabric.load(path, state)
            self.step = int(state["step"])

    def save(self, path: Path) -> None:
        """Write the checkpoint beside its place, then move it there: a killed run never leaves half a file."""
        partial = path.with_suffix(".part")
        self.fabric.save(partial, self._state())
        partial.rename(path)

    def descend(self, loss: Tensor, rate: float) -> None:
        """One step of the optimiser at ``rate``, gradients clipped to norm 5."""
        factor = self.schedule.rate_factor if self.schedule else 1.0
        for group in self.optimiser.param_groups:
            group["lr"] = factor * rate
        self.optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.average.update(self.network.module, self.step)
        self.step += 1

    def _state(self) -> dict[str, Any]:
        state = {
            "network": self.network,
            "average": self.average.network,
            "optimiser": self.optimiser,
            "step": self.step,
        }
        return state if self.schedule is None else {**state, "schedule": self.schedule}


def load_weights(path: Path, network: nn.Module, part: str = "", *, without: str | None = None) -> nn.Module:
    """Load the averaged weights of a checkpoint, or those of an exported graph, into ``network``.

    ``part``: prefix of its names where the checkpoint holds a larger network; ``without``: prefix of those that stay as
    they are, whether the file has them or not.

    A bundle's ``judge.onnx`` keeps torch's names under a prefix, so that training goes on from what was shipped; former
    names are understood. Only tensors are read, never code.

    Raises:
        FileNotFoundError: there is no checkpoint.
        RuntimeError: the checkpoint is not of this network.
    """
    own = network.state_dict()
    kept = {name for name in own if without is not None and name.startswith(without)}
    found = read_weights(path, tuple(name for name in own if name not in kept), part)
    network.load_state_dict({**found, **{name: own[name] for name in kept}})
    return network


def read_weights(path: Path, names: tuple[str, ...], part: str = "") -> dict[str, Tensor]:
    """The averaged weights of a checkpoint below the prefix ``part``; of an exported graph those of ``names``.

    Raises:
        FileNotFoundError: there is no checkpoint.
    """
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint {path}: train it first (python -m training --help)")
    if path.suffix == ".onnx":
        return _graph_weights(path, names)
    weights = torch.load(path, map_location="cpu", weights_only=True)["average"]
    return {current_name(name).removeprefix(part): weight for name, weight in weights.items() if name.startswith(part)}


def _graph_weights(path: Path, names: tuple[str, ...]) -> dict[str, Tensor]:
    """The initializers of an ONNX graph that end in one of ``names``."""
    found = {}
    for initializer in onnx.load(path).graph.initializer:
        stored = current_name(initializer.name)
        name = next((n for n in names if stored == n or stored.endswith(f".{n}")), None)
        if name is not None:
            found[name] = torch.from_numpy(onnx.numpy_helper.to_array(initializer).copy())
    return found
