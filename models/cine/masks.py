"""One score of a stack's masks: each rule in units of what good masks show, the worst one counts."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]
#: Rule -> the end of what good masks show, in a slice between the ends and in one at the ends of the heart.
MaskLimits = Mapping[str, tuple[float, float]]

#: Scores below this are no fault, whatever good masks show: pixels, and shares of the ring.
LEAST = {"pieces": 6.0, "holes": 4.0, "dents": 0.1, "ring": 0.06, "gap": 20.0, "likelihood": 1.0}


def mask_scores(labels: Labels, found: Mapping[str, Values], limits: MaskLimits) -> Mapping[str, Values]:
    """Scores of each slice of labels (x, y, slice) in units of what good masks show, by rule; 1 is its end."""
    inner = between(labels)
    return {name: found[name] / np.where(inner, *limits[name]) for name in limits}


def worst_mask(scores: Mapping[str, Values]) -> tuple[float, int]:
    """The largest score of a stack, and its slice."""
    together = np.max([*scores.values()], axis=0)
    return float(together.max()), int(together.argmax())


def between(labels: Labels) -> npt.NDArray[np.bool_]:
    """Slices with heart on both sides, (slice,): at its ends rings are open and structures missing."""
    heart = np.nonzero((labels > 0).any(axis=(0, 1)))[0]
    inner = np.zeros(labels.shape[2], bool)
    if len(heart) > 2:  # noqa: PLR2004
        inner[heart[0] + 1 : heart[-1]] = True
    return inner


def fitted_limits(stacks: list[Mapping[str, Values]], inner: list[npt.NDArray[np.bool_]], share: float) -> MaskLimits:
    """By rule, what good stacks stay within in every slice, but for the ``share`` of them that stand out most.

    Left out are, rule by rule, the worst stacks whose absence lowers the limits most for each of them, by the sum of
    their logarithms: a share of each rule apart would leave out nobody, and one odd mask would set a limit that no
    fault passes; one stack at a time would stay with two odd masks of one rule.
    """
    places = [(name, where) for name in stacks[0] for where in (True, False)]
    worst = np.array(
        [
            [one[name][at == where].max(initial=0.0) for name, where in places]
            for one, at in zip(stacks, inner, strict=True)
        ]
    )
    worst = np.maximum(worst, [LEAST[name] for name, _ in places])
    left = int(share * len(stacks))
    while left > 0:
        out = _worth_most(worst, left)
        worst, left = np.delete(worst, out, axis=0), left - len(out)
    ends = dict(zip(places, worst.max(axis=0).tolist(), strict=True))
    return {name: (ends[name, True], ends[name, False]) for name in stacks[0]}


def _worth_most(worst: Values, most: int) -> list[int]:
    """Which stacks to leave out of (stack, place), the worst of one place: the largest fall of limits for each."""
    orders = worst.argsort(axis=0, kind="stable").T.tolist()
    sets: list[list[int]] = [order[-count:] for order in orders for count in range(1, most + 1)]
    whole = np.log(worst.max(axis=0)).sum()
    falls = [(whole - np.log(np.delete(worst, out, axis=0).max(axis=0)).sum()) / len(out) for out in sets]
    return sets[int(np.argmax(falls))]
