"""How artefacts look in the series of each scanner and protocol, learnt at the site from its own, spoilt."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from daemon.core.judging.own_past import Parameters, are_alike
from models.statistics.site_presence import SitePresence, fit_presence_of_site
from models.statistics.trials import Tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One series of a protocol's past: where it came from, and what it was acquired with."""

    series_instance_uid: str
    scanner: str
    protocol: str
    parameters: Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtefactCell:
    """What was learnt of one scanner (calling AE title) and protocol, from ``series`` acquired with ``parameters``."""

    scanner: str
    protocol: str
    parameters: Parameters
    series: int
    presence: SitePresence


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteArtefacts:
    """The cells of one installation. ``bundle``: digest of the one that measured; ``made_at``: epoch s."""

    LEARNT_BY: ClassVar[str] = "scanside calibrate --artefacts"

    bundle: str
    made_at: float
    cells: tuple[ArtefactCell, ...]

    def of(self, scanner: str, protocol: str, parameters: Parameters) -> SitePresence | None:
        """What was learnt from series like one; None where there were none."""
        found = (cell for cell in self.cells if (cell.scanner, cell.protocol) == (scanner, protocol))
        return next((cell.presence for cell in found if are_alike(cell.parameters, parameters)), None)


def alike_groups(kept: Iterable[Kept]) -> tuple[Sequence[Kept], ...]:
    """The series of each scanner and protocol that were acquired like one another; ``kept``: the newest first.

    A protocol has as many groups as ways of acquisition, that of its newest series first: one odd series does not take
    from the others what they have taught.
    """
    groups: defaultdict[tuple[str, str], list[list[Kept]]] = defaultdict(list)
    for one in kept:
        place = groups[one.scanner, one.protocol]
        like = (group for group in place if are_alike(group[0].parameters, one.parameters))
        group = next(like, None)
        if group is None:
            place.append([one])
        else:
            group.append(one)
    return tuple(group for place in groups.values() for group in place)


def learn_cell(group: Sequence[Kept], tried: Sequence[Tried]) -> ArtefactCell | None:
    """What the trials of one group's series suffice for, if they do."""
    presence, newest = fit_presence_of_site(tried), group[0]
    if presence is None:
        return None
    return ArtefactCell(
        scanner=newest.scanner,
        protocol=newest.protocol,
        parameters=newest.parameters,
        series=len(presence.clean),
        presence=presence,
    )
