"""How artefacts look in the series of each scanner and protocol, learnt at the site from its own, spoilt."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
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


def like_the_newest(kept: Iterable[Kept]) -> Mapping[tuple[str, str], Sequence[Kept]]:
    """By scanner and protocol, the series that were acquired like the newest of it; ``kept``: the newest first."""
    cells: defaultdict[tuple[str, str], list[Kept]] = defaultdict(list)
    for one in kept:
        cell = cells[one.scanner, one.protocol]
        if not cell or are_alike(cell[0].parameters, one.parameters):
            cell.append(one)
    return cells


def learn_artefacts(
    tried: Mapping[tuple[str, str], Sequence[Tried]], parameters: Mapping[tuple[str, str], Parameters]
) -> tuple[ArtefactCell, ...]:
    """The cells that trials of series suffice for; both by scanner and protocol."""
    fitted = ((place, fit_presence_of_site(trials)) for place, trials in tried.items())
    return tuple(
        ArtefactCell(
            scanner=place[0],
            protocol=place[1],
            parameters=parameters[place],
            series=len(presence.clean),
            presence=presence,
        )
        for place, presence in fitted
        if presence is not None
    )
