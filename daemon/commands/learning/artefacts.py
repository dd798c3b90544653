"""scanside calibrate --artefacts: how artefacts look in the series of each protocol, learnt in idle time."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from daemon.commands.learning.trying import Time, examiner_of, shown, told, try_series
from daemon.config import Settings
from daemon.core.errors import ConfigError
from daemon.core.judging.site_artefacts import ArtefactCell, Kept, SiteArtefacts, learn_artefacts, like_the_newest
from daemon.edge.database.migrations import open_existing
from daemon.edge.database.pasts import Pasts
from daemon.edge.files.learnt import artefacts_file, write_learnt
from daemon.edge.files.trials import TrialJournal
from daemon.line.spoiling import Done, token_of
from daemon.routes import measuring_bundle
from models.statistics.reference_set import FEWEST
from models.statistics.trials import Tried

#: So many series are tried as they came: from 99 on no half of a level of 0.02 needs an estimate.
_CLEAN: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtefactsLearnt:
    """What was done, and the ``cells`` that it sufficed for; ``kept``: alike series by scanner and protocol."""

    file: Path
    done: Done
    cells: tuple[ArtefactCell, ...]
    kept: Mapping[tuple[str, str], int]


def learn_artefacts_of_site(
    settings: Settings, rejected: Collection[str], bounds: Time, *, write: bool = True
) -> ArtefactsLearnt:
    """Try what was not tried yet while nobody waits, then fit and write what the running daemon takes up.

    Of each protocol the series of its past that were acquired like the newest, once there are enough of them; but for
    those ``rejected`` (UIDs).

    Raises:
        ConfigError: no daemon has run with this configuration, or no bundle compares series with their own past.
        BundleError: it cannot be used.
    """
    name = measuring_bundle(settings)
    if not name:
        raise ConfigError("no configured bundle compares series with their own past: configure any-mr")
    examiner, file = examiner_of(settings, name), artefacts_file(settings.storage, name)
    bounds = replace(bounds, clean=_CLEAN)
    digest, journal = examiner.bundle.digest, TrialJournal(file.with_suffix(".trials"))

    def pasts(engine: sa.Engine) -> Mapping[tuple[str, str], Sequence[Kept]]:
        return like_the_newest(one for one in Pasts(engine).kept(digest) if one.series_instance_uid not in rejected)

    def chosen(engine: sa.Engine) -> Sequence[Kept]:
        return [one for cell in pasts(engine).values() if len(cell) >= FEWEST for one in reversed(cell)]

    done = try_series(settings, examiner, journal, chosen, bounds)
    with open_existing(settings.database_url) as engine:
        kept = pasts(engine)
    if write:
        journal.keep(digest, {token_of(one.series_instance_uid) for cell in kept.values() for one in cell})
    cells = learn_artefacts(_tried(journal, digest, kept), {place: cell[0].parameters for place, cell in kept.items()})
    if cells and write:
        write_learnt(file, SiteArtefacts(bundle=digest, made_at=time.time(), cells=cells))
    return ArtefactsLearnt(file=file, done=done, cells=cells, kept={place: len(cell) for place, cell in kept.items()})


def tell(learnt: ArtefactsLearnt, settings: Settings) -> Iterator[str]:
    """For people: what was done, then a line a scanner and protocol."""
    yield from told(learnt.done, "artefacts")
    fitted = {(cell.scanner, cell.protocol): cell.series for cell in learnt.cells}
    for (scanner, protocol), count in sorted(learnt.kept.items()):
        series = fitted.get((scanner, protocol))
        used = f"{series} tried: used" if series else f"{max(0, FEWEST - count)} more needed"
        used = used if series or count < FEWEST else "not tried enough yet"
        yield f"artefacts: {settings.scanners.get(scanner, scanner)}  {shown(protocol)}  {count} series  {used}"


def _tried(
    journal: TrialJournal, digest: str, kept: Mapping[tuple[str, str], Sequence[Kept]]
) -> Mapping[tuple[str, str], Sequence[Tried]]:
    """The trials of the series that are kept, by scanner and protocol."""
    places = {token_of(one.series_instance_uid): place for place, cell in kept.items() for one in cell}
    tried: defaultdict[tuple[str, str], list[Tried]] = defaultdict(list)
    for one in journal.read(digest):
        if (place := places.get(one.tried.series)) is not None:
            tried[place].append(one.tried)
    return tried
