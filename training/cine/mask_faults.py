"""Faults planted in masks, and who finds them: every rule by itself, and all together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.cine.masks import between, fitted_limits, mask_scores
from models.cine.plausibility import likelihood, pseudo_scores, said_again
from models.cine.reading import LV, MYO, RV
from models.cine.rules import rule_scores
from models.graphs import Run
from models.statistics.ranking import auroc
from models.statistics.uncertainty import tukey_limit

Labels = npt.NDArray[np.uint8]
Slice = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]
_FALSE_ALARMS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mask:
    """A mask (x, y, slice) of slices ``gap_mm`` apart; ``run``: the autoencoder that did not see it."""

    labels: Labels
    gap_mm: float
    run: Run | None = None

    def scores(self) -> Mapping[str, Values]:
        """Of each slice, (slice,), by rule, and the autoencoder's likelihood."""
        found = dict(rule_scores(self.labels))
        if self.run is not None:
            found["likelihood"] = likelihood(self.labels, said_again(self.labels, self.run))
        return found

    def unlike(self) -> float:
        """1 - the least pseudo Dice of any structure; 0 without an autoencoder."""
        if self.run is None:
            return 0.0
        again = pseudo_scores(self.labels, said_again(self.labels, self.run), self.gap_mm)
        return 1 - min(dice for dice, _ in again.values())


def _disc(shape: tuple[int, int], at: npt.ArrayLike, diameter_px: float) -> npt.NDArray[np.bool_]:
    x, y = np.ogrid[: shape[0], : shape[1]]
    first, second = np.asarray(at, float)
    return np.asarray((x - first) ** 2 + (y - second) ** 2 <= (diameter_px / 2) ** 2)


def _hole(labels: Slice, diameter_px: float, chance: np.random.Generator) -> Slice:
    """In the ring or the ventricle, away from the outer border."""
    depth = ndimage.distance_transform_edt(labels >= MYO)
    places = np.argwhere(depth > diameter_px / 2 + 1)
    places = places if len(places) else np.argwhere(depth == depth.max())
    spoilt = labels.copy()
    spoilt[_disc(labels.shape, places[chance.integers(len(places))], diameter_px)] = 0
    return spoilt


def _blob(labels: Slice, diameter_px: float, chance: np.random.Generator, number: int = 0) -> Slice:
    """Of one structure outside of the heart, 6 to 15 pixels away."""
    away = ndimage.distance_transform_edt(labels == 0)
    places = np.argwhere((away > diameter_px / 2 + 4) & (away < diameter_px / 2 + 13))
    spoilt = labels.copy()
    spoilt[_disc(labels.shape, places[chance.integers(len(places))], diameter_px)] = number or chance.integers(1, 4)
    return spoilt


def _swapped(labels: Slice, _: np.random.Generator) -> Slice:
    spoilt = labels.copy()
    spoilt[labels == RV], spoilt[labels == LV] = LV, RV
    return spoilt


def _missing(number: int) -> Callable[[Slice, np.random.Generator], Slice]:
    return lambda labels, _: np.where(labels == number, 0, labels).astype(np.uint8)


def _open(share: float) -> Callable[[Slice, np.random.Generator], Slice]:
    """A sector of the ring gone."""

    def spoil(labels: Slice, chance: np.random.Generator) -> Slice:
        middle = np.argwhere(labels >= MYO).mean(axis=0)
        x, y = np.ogrid[: labels.shape[0], : labels.shape[1]]
        angle = (np.arctan2(y - middle[1], x - middle[0]) / (2 * np.pi) + chance.random()) % 1
        return np.where((labels == MYO) & (angle < share), 0, labels).astype(np.uint8)

    return spoil


def _confused(labels: Slice, chance: np.random.Generator) -> Slice:
    """A third of the ventricle called myocardium."""
    middle = np.argwhere(labels == LV).mean(axis=0)
    x, y = np.ogrid[: labels.shape[0], : labels.shape[1]]
    angle = (np.arctan2(y - middle[1], x - middle[0]) / (2 * np.pi) + chance.random()) % 1
    return np.where((labels == LV) & (angle < 1 / 3), MYO, labels).astype(np.uint8)


#: Name -> plants it in one slice (x, y) of 1.5 mm pixels.
MASK_FAULTS: Mapping[str, Callable[[Slice, np.random.Generator], Slice]] = {
    "hole 6 mm": lambda labels, chance: _hole(labels, 4, chance),
    "hole 10 mm": lambda labels, chance: _hole(labels, 6.7, chance),
    "blob 6 mm": lambda labels, chance: _blob(labels, 4, chance),
    "blob 12 mm": lambda labels, chance: _blob(labels, 8, chance, RV),
    "LV called myocardium": _confused,
    "LV and RV swapped": _swapped,
    "RV missing": _missing(RV),
    "LV missing": _missing(LV),
    "quarter of the ring gone": _open(0.25),
    "half of the ring gone": _open(0.5),
}


def mask_fault_table(good: Sequence[Mask], seed: int = 0) -> Iterator[str]:
    """Each fault planted in a middle slice of each good mask: caught at 5 % false alarms, by each and by all together.

    The pseudo Dice of the whole stack stands beside them as the paper uses it: by Tukey's fence, and at 5 %.
    """
    chance = np.random.default_rng(seed)
    clean = [mask.scores() for mask in good]
    inner = [between(mask.labels) for mask in good]
    limits = fitted_limits(clean, inner, _FALSE_ALARMS)
    usual = {
        rule: np.array([one[rule][at].max(initial=0.0) for one, at in zip(clean, inner, strict=True)])
        for rule in clean[0]
    }
    together = np.array([_together(mask, one, limits) for mask, one in zip(good, clean, strict=True)])
    unlike = np.array([mask.unlike() for mask in good])
    fences = (tukey_limit(unlike), _limit(unlike))
    alone = "pseudo Dice: Tukey, 5 %"
    yield f"| planted in {len(good)} masks | {' | '.join(usual)} | {alone} | together | AUROC, together |"
    yield "| --- |" + " ---: |" * (len(usual) + 3)
    for name, plant in MASK_FAULTS.items():
        spoilt = [replace(mask, labels=_planted(mask.labels, plant, chance)) for mask in good]
        found = [mask.scores() for mask in spoilt]
        cells = [
            np.mean(
                [one[rule][at].max(initial=0.0) > _limit(usual[rule]) for one, at in zip(found, inner, strict=True)]
            )
            for rule in usual
        ]
        both = np.array([_together(mask, one, limits) for mask, one in zip(spoilt, found, strict=True)])
        known = auroc(np.concatenate([together, both]), np.repeat([0, 1], len(good)))
        apart = np.array([mask.unlike() for mask in spoilt])
        pseudo = ", ".join(f"{(apart > fence).mean():.2f}" for fence in fences)
        caught = (both > _limit(together)).mean()
        yield (
            f"| {name} | " + " | ".join(f"{cell:.2f}" for cell in cells) + f" | {pseudo} | {caught:.2f} | {known:.3f} |"
        )


def _planted(
    labels: Labels, plant: Callable[[Slice, np.random.Generator], Slice], chance: np.random.Generator
) -> Labels:
    """In a middle slice that has every structure."""
    whole = [k for k in np.nonzero(between(labels))[0] if len(np.unique(labels[:, :, k])) == 4]
    k = whole[len(whole) // 2] if whole else labels.shape[2] // 2
    spoilt = labels.copy()
    spoilt[:, :, k] = plant(labels[:, :, k], chance)
    return spoilt


def _together(mask: Mask, scores: Mapping[str, Values], limits: Mapping[str, tuple[float, float]]) -> float:
    return float(np.max([*mask_scores(mask.labels, scores, limits).values()]))


def _limit(scores: Values) -> float:
    return float(np.quantile(scores, 1 - _FALSE_ALARMS))
