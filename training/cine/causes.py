"""What tells breath, noise and ghosts in a slice: a logistic regression on slices that were spoilt on purpose."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.cine.quality import STILL_CAUSES, CauseModel, relative, relative_names, textures
from models.cine.texture import describe_slice
from models.statistics.ranking import auroc
from training.cine.faults import FAULTS
from training.cine.stacks import folds, read_stacks

FloatArray = npt.NDArray[np.float64]

#: Strengths of each fault: mild, middle, strong.
STRENGTHS = (0.28, 0.56, 0.85)
_SPOILT_SLICES, _EPOCHS = 5, 400
#: A good slice counts as much as so many spoilt ones.
_GOOD_WEIGHT = 2.0
#: A cause that is less likely than not is none.
_LEAST = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """``textures`` (n, N), relative; ``kinds`` (n,): 0 good, then the causes; ``strengths``, ``folds`` ..."""

    textures: FloatArray
    kinds: npt.NDArray[np.int64]
    strengths: FloatArray
    folds: npt.NDArray[np.int64]
    patients: npt.NDArray[np.str_]

    def only(self, at: npt.NDArray[np.bool_]) -> "Examples":
        """Some of them."""
        return Examples(**{name: getattr(self, name)[at] for name in self.__dataclass_fields__})


def spoilt_slices(data: Path, parts: int = 5, seed: int = 0) -> Examples:
    """Every slice of the hearts at end-diastole as it is, and some of each patient with every fault."""
    fold = {patient: n for n, part in enumerate(folds(data, parts)) for patient in part}
    chance = np.random.default_rng(seed)
    rows: list[tuple[FloatArray, int, float, int, str]] = []
    for stack in read_stacks(data):
        if stack.phase == "ED":
            heart = np.nonzero((stack.labels > 0).any(axis=(0, 1)))[0]
            found = textures(stack.image[:, :, heart])
            place = (fold[stack.patient], stack.patient)
            rows.extend((relative(found, n), 0, 0.0, *place) for n in range(len(heart)))
            for n in np.unique(np.linspace(0, len(heart) - 1, _SPOILT_SLICES).astype(int)):
                for kind, name in enumerate(STILL_CAUSES, start=1):
                    for level in STRENGTHS:
                        strength = level * chance.uniform(0.8, 1.2)
                        spoilt = np.rint(FAULTS[name](stack.image[:, :, heart[n]], strength, chance))
                        described = describe_slice(spoilt.astype(np.float32))
                        rows.append((relative(found, int(n), described), kind, level, *place))
    columns = list(zip(*rows, strict=True))
    return Examples(
        textures=np.array(columns[0]),
        kinds=np.array(columns[1]),
        strengths=np.array(columns[2]),
        folds=np.array(columns[3]),
        patients=np.array(columns[4]),
    )


def fitted_causes(examples: Examples) -> CauseModel:
    """The regression, with weight decay and a little noise on its inputs."""
    torch.manual_seed(0)
    centre, scale = examples.textures.mean(axis=0), examples.textures.std(axis=0) + 1e-6
    inputs = torch.tensor((examples.textures - centre) / scale, dtype=torch.float32).clamp(-4, 4)
    layer = torch.nn.Linear(inputs.shape[1], 1 + len(STILL_CAUSES))
    optimiser = torch.optim.AdamW(layer.parameters(), 1e-2, weight_decay=0.1)
    weights = torch.tensor([_GOOD_WEIGHT, *(1.0,) * len(STILL_CAUSES)])
    kinds = torch.tensor(examples.kinds)
    for _ in range(_EPOCHS):
        noisy = inputs + 0.1 * torch.randn_like(inputs)
        loss = torch.nn.functional.cross_entropy(layer(noisy), kinds, weight=weights)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return CauseModel(
        features=relative_names(),
        centre=tuple(centre.tolist()),
        scale=tuple(scale.tolist()),
        weights=tuple(tuple(row) for row in layer.weight.tolist()),
        bias=tuple(layer.bias.tolist()),
    )


def told_by_others(examples: Examples) -> FloatArray:
    """Probabilities (n, 1 + causes) of each example by a regression that saw no patient of its fold."""
    told = np.zeros((len(examples.kinds), 1 + len(STILL_CAUSES)))
    for fold in np.unique(examples.folds):
        at = examples.folds == fold
        told[at] = fitted_causes(examples.only(~at)).probabilities(examples.textures[at])
    return told


def cause_limits(examples: Examples, told: FloatArray, share: float) -> dict[str, float]:
    """By cause, what all but a ``share`` of the good stacks stay below in their worst slice."""
    good = examples.kinds == 0
    patients = np.unique(examples.patients)
    limits = {}
    for kind, name in enumerate(STILL_CAUSES, start=1):
        worst = [told[good & (examples.patients == patient), kind].max() for patient in patients]
        limits[name] = max(_LEAST, float(np.quantile(worst, 1 - share)))
    return limits


def cause_table(examples: Examples, told: FloatArray) -> Iterator[str]:
    """Each fault at each strength: AUROC against good slices, caught at 5 % false alarms, named right."""
    good = examples.kinds == 0
    score = 1 - told[:, 0]
    limit = np.quantile(score[good], 0.95)
    head = "AUROC | caught at 5 % false alarms, mild / middle / strong | named right"
    yield f"| planted in one slice; {good.sum()} good slices, by patient | {head} |"
    yield "| --- | ---: | ---: | ---: |"
    for kind, name in enumerate(STILL_CAUSES, start=1):
        at = examples.kinds == kind
        caught = [(score[at & (examples.strengths == level)] > limit).mean() for level in STRENGTHS]
        named = (told[at & (score > limit), 1:].argmax(axis=1) + 1 == kind).mean()
        known = auroc(np.concatenate([score[good], score[at]]), np.repeat([0, 1], [good.sum(), at.sum()]))
        yield f"| {name} | {known:.3f} | {' / '.join(f'{one:.2f}' for one in caught)} | {named:.2f} |"
