"""The usual list of an exam: which protocols its like had, what of them is missing here, and what is here besides.

Nobody writes lists: the exams of this scanner that had the same protocols so far are its like.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

#: With fewer exams alike there is no usual list.
FEWEST: Final = 12
#: Exams are alike where they share this much of what this one has so far.
_SHARED: Final = 0.5
#: Protocols that so many of the like had are usual; those that fewer had than the rare share are not.
_USUAL: Final = 0.9
_RARE: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCheck:
    """An exam beside its like: protocols that are ``missing`` of the usual list, in its order, and ``extra`` ones."""

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    alike: int = 0


def check_list(protocols: Collection[str], earlier: Sequence[Sequence[str]]) -> ListCheck:
    """What an exam with these ``protocols`` so far lacks or has beside its like among the ``earlier`` exams.

    ``earlier``: the protocols of each, in their order. Without enough of its like nothing is said.
    """
    here = set(filter(None, protocols))
    like = _alike(here, earlier)
    if len(like) < FEWEST:
        return ListCheck(alike=len(like))
    counts = Counter(name for names in like for name in set(filter(None, names)))
    usual = [name for name, count in counts.items() if count >= _USUAL * len(like)]
    rare = [name for name in here if counts[name] <= _RARE * len(like)]
    missing = sorted((name for name in usual if name not in here), key=lambda name: (_place(name, like), name))
    return ListCheck(missing=tuple(missing), extra=tuple(sorted(rare)), alike=len(like))


def _alike(here: Collection[str], earlier: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """The exams that share most of what this one has and others had too; a protocol that is new tells nothing."""
    known = {name for names in earlier for name in names} & set(here)
    if not known:
        return []
    shared = [len(known & set(names)) / len(known) for names in earlier]
    top = max(shared)
    return [names for names, share in zip(earlier, shared, strict=True) if share >= max(_SHARED, top - 1 / len(known))]


def _place(name: str, like: Sequence[Sequence[str]]) -> float:
    """Where in an exam a protocol usually comes."""
    places = sorted(names.index(name) / len(names) for names in like if name in names)
    return places[len(places) // 2]
