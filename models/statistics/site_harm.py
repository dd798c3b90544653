"""Harm learnt where images are made: accepted series, spoilt by families of artefacts and judged again; no labels.

What the labels of a spoilt image lose against those of the same image as it came is its harm (``harm.py``).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.statistics.harm import CLEAN, Harm, families_of, fit_harm
from models.statistics.trials import Tried, numbers_of

#: Fewer series tell nothing of the next one.
FEWEST = 3
#: An image as it came counts as so many, for most of a scanner's images are without an artefact.
_CLEAN_WEIGHT = 2.0


def harm_between(clean: npt.NDArray[np.bool_], spoilt: npt.NDArray[np.bool_]) -> float:
    """1 - Dice of what is judged in two images of one grid; 0 where both have none of it."""
    total = int(clean.sum()) + int(spoilt.sum())
    return 1 - 2 * int((clean & spoilt).sum()) / total if total else 0.0


def fit_site(tried: Sequence[Tried]) -> Harm | None:
    """The harm of one scanner and protocol, with its interval over series and families that were left out.

    Images that told no numbers do not count. None where there are fewer series than ``FEWEST``, or no spoilt image.
    """
    told = [one for one in tried if one.numbers]
    series, families = ({getattr(one, name) for one in told} for name in ("series", "family"))
    if len(series) < FEWEST or families <= {CLEAN}:
        return None
    names, numbers = numbers_of(told)
    people = [one.series for one in told]
    return fit_harm(
        names,
        numbers,
        [one.harm for one in told],
        [people, families_of([one.family for one in told], people)],
        [_CLEAN_WEIGHT if one.family == CLEAN else 1.0 for one in told],
    )
