"""scanside calibrate --harm: what images of each scanner and protocol lose, learnt in idle time."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from daemon.commands.learning.trying import Time, examiner_of, shown, told, try_series
from daemon.config import Settings
from daemon.core.judging.site_harm import HarmCell, SiteHarm, learn_harm
from daemon.core.people.calibration import Scored, Selection
from daemon.edge.database.results import Results
from daemon.edge.files.learnt import harm_file, write_learnt
from daemon.edge.files.trials import TrialJournal
from daemon.line.spoiling import Done
from models.statistics.site_harm import FEWEST
from models.statistics.trials import Tried


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmLearnt:
    """What was done, and the ``cells`` that it sufficed for; ``tried``: series by scanner and protocol."""

    file: Path
    done: Done
    cells: tuple[HarmCell, ...]
    tried: Counter[tuple[str, str]]


def learn_harm_of_site(settings: Settings, name: str, selection: Selection, bounds: Time) -> HarmLearnt:
    """Try what was not tried yet while nobody waits, then fit and write what the running daemon takes up.

    Raises:
        ConfigError: no daemon has run with this configuration, the bundle tells nothing to learn from, or another
            process is at it.
        BundleError: it cannot be used.
    """
    examiner, file = examiner_of(settings, name), harm_file(settings.storage, name)
    digest, journal = examiner.bundle.digest, TrialJournal(file.with_suffix(".trials"))

    def chosen(engine: sa.Engine) -> Sequence[Sequence[Scored]]:
        cells: defaultdict[tuple[str, str], list[Scored]] = defaultdict(list)
        for one in reversed(Results(engine).scored()):
            if _counts(one, digest, selection):
                cells[one.scanner, one.protocol].append(one)
        return [*cells.values()]

    with journal.alone():
        done = try_series(settings, examiner, journal, chosen, bounds)
    tried: defaultdict[tuple[str, str], list[Tried]] = defaultdict(list)
    for one in journal.read(digest):
        tried[one.scanner, one.protocol].append(one.tried)
    cells = learn_harm(tried)
    if cells:
        write_learnt(file, SiteHarm(bundle=digest, made_at=time.time(), cells=cells))
    counts = Counter({place: len({one.series for one in given}) for place, given in tried.items()})
    return HarmLearnt(file=file, done=done, cells=cells, tried=counts)


def tell(learnt: HarmLearnt, settings: Settings) -> Iterator[str]:
    """For people: what was done, then a line a scanner and protocol."""
    yield from told(learnt.done, "harm")
    fitted = {(cell.scanner, cell.protocol) for cell in learnt.cells}
    for (scanner, protocol), count in sorted(learnt.tried.items()):
        used = "used" if (scanner, protocol) in fitted else f"{max(0, FEWEST - count)} more series needed"
        yield f"harm: {settings.scanners.get(scanner, scanner)}  {shown(protocol)}  {count} series  {used}"
    yield f"written: {learnt.file}" if learnt.cells else "written: nothing, no scanner has enough series yet"


def _counts(one: Scored, digest: str, selection: Selection) -> bool:
    accepted = one.state in selection.states and one.series_instance_uid not in selection.rejected
    return accepted and one.bundle == digest
