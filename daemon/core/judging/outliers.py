"""The series of a cohort beside their like: each against the others, as a series against its protocol's own past."""

from collections.abc import Iterator, Sequence

from daemon.core.judging.own_past import kinds_of
from models.past import Past
from models.statistics.reference_set import Comparison, Learning, Measures, compare

#: Of a larger group each series is compared with so many others, evenly taken.
_MOST = 300


def beside_others(group: Sequence[Measures], past: Past) -> Iterator[Comparison | Learning]:
    """Each series of a ``group`` that was imaged alike, compared with the others by the signals of ``past``."""
    kinds = kinds_of(past)
    for place, measures in enumerate(group):
        others = [other for number, other in enumerate(group) if number != place]
        step = max(1, -(-len(others) // _MOST))
        yield compare(others[::step], measures, kinds)
