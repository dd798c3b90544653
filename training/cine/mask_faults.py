"""Faults planted in masks, and who finds them: every rule by itself, and all together."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.cine.masks import between, fitted_limits, mask_scores
from models.cine.reading import LV, MYO, RV
from models.cine.rules import rule_scores
from training.cine.tables import auroc

Labels = npt.NDArray[np.uint8]
Slice = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]
#: Scores of other kinds of some labels, such as an autoencoder's.
More = Callable[[Labels], Mapping[str, Values]]

_FALSE_ALARMS = 0.05


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


def mask_fault_table(good: Sequence[Labels], more: More | None = None, seed: int = 0) -> Iterator[str]:
    """Each fault planted in a middle slice of each good mask: AUROC of all together, caught at 5 % false alarms."""
    chance = np.random.default_rng(seed)
    scored = [_scores(labels, more) for labels in good]
    inner = [between(labels) for labels in good]
    rules = tuple(scored[0])
    limits = fitted_limits(scored, inner, _FALSE_ALARMS / len(rules))
    worst = {rule: np.array([_worst(one, at, rule) for one, at in zip(scored, inner, strict=True)]) for rule in rules}
    clean = np.array([_together(labels, limits, more) for labels in good])
    yield f"| planted in {len(good)} masks | {' | '.join(rules)} | together | AUROC, together |"
    yield "| --- |" + " ---: |" * (len(rules) + 2)
    for name, plant in MASK_FAULTS.items():
        spoilt = [_planted(labels, plant, chance) for labels in good]
        found = [_scores(labels, more) for labels in spoilt]
        caught = [
            np.mean(
                [
                    _worst(one, at, rule) > np.quantile(worst[rule], 1 - _FALSE_ALARMS)
                    for one, at in zip(found, inner, strict=True)
                ]
            )
            for rule in rules
        ]
        both = np.array([_together(labels, limits, more) for labels in spoilt])
        known = auroc(np.concatenate([clean, both]), np.repeat([0, 1], len(good)))
        cells = [*caught, float((both > np.quantile(clean, 1 - _FALSE_ALARMS)).mean())]
        yield f"| {name} | " + " | ".join(f"{cell:.2f}" for cell in cells) + f" | {known:.3f} |"


def _planted(
    labels: Labels, plant: Callable[[Slice, np.random.Generator], Slice], chance: np.random.Generator
) -> Labels:
    """In a middle slice that has every structure."""
    whole = [k for k in np.nonzero(between(labels))[0] if len(np.unique(labels[:, :, k])) == 4]
    k = whole[len(whole) // 2] if whole else labels.shape[2] // 2
    spoilt = labels.copy()
    spoilt[:, :, k] = plant(labels[:, :, k], chance)
    return spoilt


def _scores(labels: Labels, more: More | None) -> Mapping[str, Values]:
    return {**rule_scores(labels), **(more(labels) if more else {})}


def _worst(scores: Mapping[str, Values], inner: npt.NDArray[np.bool_], rule: str) -> float:
    return float(scores[rule][inner].max(initial=0.0))


def _together(labels: Labels, limits: Mapping[str, tuple[float, float]], more: More | None) -> float:
    scores = mask_scores(labels, limits, more(labels) if more else None)
    return float(np.max([*scores.values()]))
