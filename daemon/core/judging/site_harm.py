"""What images of each scanner and protocol lose, learnt at the site: which fit a series is told its loss by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

from daemon.core.judging.own_past import OwnPast
from daemon.core.judging.reference import Origin, Standard
from models.findings import Findings, Loss
from models.statistics.harm import Harm
from models.statistics.site_harm import fit_site
from models.statistics.trials import Tried


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmCell:
    """The harm of one scanner (calling AE title) and protocol; ``protocol`` None: of all of the scanner's."""

    scanner: str
    protocol: str | None
    harm: Harm


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteHarm:
    """The cells of one installation. ``bundle``: digest of the one that judged; ``made_at``: epoch s."""

    LEARNT_BY: ClassVar[str] = "scanside calibrate --harm"

    bundle: str
    made_at: float
    cells: tuple[HarmCell, ...]

    def of(self, scanner: str, protocol: str) -> Harm | None:
        """The finest fit: of the protocol, else of its scanner; None where there is neither."""
        found = {cell.protocol: cell.harm for cell in self.cells if cell.scanner == scanner}
        return found.get(protocol, found.get(None))


def learn_harm(tried: Mapping[tuple[str, str], Iterable[Tried]]) -> tuple[HarmCell, ...]:
    """The cells that trials of series suffice for; ``tried``: by scanner and protocol."""
    groups: dict[tuple[str, str | None], list[Tried]] = {}
    for (scanner, protocol), trials in tried.items():
        for group in ((scanner, protocol), (scanner, None)):
            groups.setdefault(group, []).extend(trials)
    fitted = ((scanner, protocol, fit_site(trials)) for (scanner, protocol), trials in groups.items())
    return tuple(HarmCell(scanner=s, protocol=p, harm=harm) for s, p, harm in fitted if harm is not None)


def with_harm_of(site: SiteHarm | None, standard: Standard | OwnPast, origin: Origin) -> Standard | OwnPast:
    """What a series of this origin is compared with, told its loss by what the site has learnt of it, if it has."""
    if site is None or not isinstance(standard, Standard):
        return standard
    return standard.with_harm(site.of(origin.scanner, origin.protocol))


def told_by(harm: Harm | None, findings: Findings) -> Loss | None:
    """The loss of what was found: by the site's own fit or by the method, whichever is surer."""
    own = findings.loss
    if harm is None or findings.source is None:
        return own
    numbers = findings.source.numbers()
    if not set(harm.names) <= set(numbers):
        return own
    of_site = Loss(expected=harm.expect(numbers), interval=harm.interval(numbers))
    return of_site if own is None else surer(own, of_site)


def surer(one: Loss, other: Loss) -> Loss:
    """The one that may be passed by less, in the root of the loss: there it is the same for all images of a fit.

    In the loss itself whoever tells less would be the surer one.
    """
    return other if _passed_by(other) < _passed_by(one) else one


def _passed_by(loss: Loss) -> float:
    return sqrt(loss.interval[1]) - sqrt(loss.expected)
