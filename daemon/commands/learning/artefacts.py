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
from daemon.core.judging.site_artefacts import ArtefactCell, Kept, SiteArtefacts, alike_groups, learn_cell
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
    """What was ``done``; each ``group`` of series that were acquired alike, with what they sufficed for."""

    file: Path
    done: Done
    groups: tuple[tuple[Sequence[Kept], ArtefactCell | None], ...]

    @property
    def cells(self) -> tuple[ArtefactCell, ...]:
        """What the judge takes up."""
        return tuple(cell for _, cell in self.groups if cell is not None)


def learn_artefacts_of_site(
    settings: Settings, rejected: Collection[str], bounds: Time, *, write: bool = True
) -> ArtefactsLearnt:
    """Try what was not tried yet while nobody waits, then fit and write what the running daemon takes up.

    Of each protocol the series of its past in groups that were acquired alike, once there are enough of them; but for
    those ``rejected`` (UIDs).

    Raises:
        ConfigError: no daemon has run with this configuration, no bundle compares series with their own past, or
            another process is at it.
        BundleError: it cannot be used.
    """
    name = measuring_bundle(settings)
    if not name:
        raise ConfigError("no configured bundle compares series with their own past: configure any-mr")
    examiner, file = examiner_of(settings, name), artefacts_file(settings.storage, name)
    bounds = replace(bounds, clean=_CLEAN)
    digest, journal = examiner.bundle.digest, TrialJournal(file.with_suffix(".trials"))

    def groups(engine: sa.Engine) -> Sequence[Sequence[Kept]]:
        return alike_groups(one for one in Pasts(engine).kept(digest) if one.series_instance_uid not in rejected)

    def chosen(engine: sa.Engine) -> Sequence[Sequence[Kept]]:
        return [group for group in groups(engine) if len(group) >= FEWEST]

    with journal.alone():
        done = try_series(settings, examiner, journal, chosen, bounds)
        with open_existing(settings.database_url) as engine:
            kept = groups(engine)
        tokens = {token_of(one.series_instance_uid) for group in kept for one in group}
        trials = journal.keep(digest, tokens) if write else journal.read(digest)
    tried: defaultdict[str, list[Tried]] = defaultdict(list)
    for one in trials:
        tried[one.tried.series].append(one.tried)
    fitted = tuple((group, learn_cell(group, _of(group, tried))) for group in kept)
    learnt = ArtefactsLearnt(file=file, done=done, groups=fitted)
    if learnt.cells and write:
        write_learnt(file, SiteArtefacts(bundle=digest, made_at=time.time(), cells=learnt.cells))
    return learnt


def tell(learnt: ArtefactsLearnt, settings: Settings) -> Iterator[str]:
    """For people: what was done, then a line a scanner, protocol and way of acquisition."""
    yield from told(learnt.done, "artefacts")
    for group, cell in sorted(learnt.groups, key=lambda one: (one[0][0].scanner, one[0][0].protocol)):
        scanner, lacking = group[0].scanner, FEWEST - len(group)
        used = f"{lacking} more needed" if lacking > 0 else "not tried enough yet"
        used = used if cell is None else f"{cell.series} tried: used"
        place = f"{settings.scanners.get(scanner, scanner)}  {shown(group[0].protocol)}"
        yield f"artefacts: {place}  {len(group)} series  {used}"


def _of(group: Sequence[Kept], tried: Mapping[str, Sequence[Tried]]) -> Sequence[Tried]:
    """The trials of one group's series; ``tried``: by token."""
    return [one for series in group for one in tried.get(token_of(series.series_instance_uid), ())]
