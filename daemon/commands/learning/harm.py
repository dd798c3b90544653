"""scanside calibrate --harm: what images of each scanner and protocol lose, learnt in idle time."""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom import Dataset

from daemon.config import Settings
from daemon.core.errors import NotAssessable, Reason, SpoolError
from daemon.core.judging.site_harm import HarmCell, SiteHarm, learn_harm
from daemon.core.people.calibration import Scored, Selection
from daemon.core.values import Series
from daemon.dicom.reading.objects import read_image
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import open_existing
from daemon.edge.database.results import Results
from daemon.edge.engines import engine_maker
from daemon.edge.files.site_harm import TrialJournal, harm_file, write_harm
from daemon.edge.spool.reader import SpoolReader
from daemon.line.examination import Examiners
from daemon.line.selection import check_size, select
from daemon.line.spoiling import Bounds, Done, Live, Spoiler
from daemon.routes import all_routes
from models.statistics.site_harm import FEWEST, Tried
from models.subject import Image

#: Behind everything that the line does.
_NICE: Final = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """How long, and how much of it: ``minutes`` in all, ``series`` of each protocol, spoilt ``images`` of each."""

    minutes: float
    series: int
    images: int


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
        ConfigError: no daemon has run with this configuration, or the bundle tells nothing to learn from.
        BundleError: it cannot be used.
    """
    _step_back()
    examiner = Examiners(settings.bundle_folders, engine_maker(settings.engine, settings.compiled)).get(name)
    digest = examiner.bundle.digest
    journal = TrialJournal(harm_file(settings.storage, name).with_suffix(".trials"))
    with open_existing(settings.database_url) as engine:
        index, results = Index(engine, b""), Results(engine)
        spool, routes = SpoolReader(settings.spool_settings.folder), all_routes(settings)

        def image_of(series_instance_uid: str) -> Image:
            series = index.newest(series_instance_uid)
            if series is None:
                raise SpoolError("the series is not in the index: it was lost with the database")
            return select(_datasets(spool, series), routes, series.instances[0].arrival.calling_ae).image

        until = time.monotonic() + 60 * bounds.minutes
        limits = Bounds(series=bounds.series, images=bounds.images, until=until)
        series = [one for one in results.scored() if _counts(one, digest, selection)]
        done = Spoiler(
            examiner, journal, Live(image_of=image_of, is_busy=lambda: bool(results.unjudged())), limits
        ).run(series)
    tried: defaultdict[tuple[str, str], list[Tried]] = defaultdict(list)
    for one in journal.read(digest):
        tried[one.scanner, one.protocol].append(one.tried)
    cells = learn_harm(tried)
    if cells:
        write_harm(harm_file(settings.storage, name), SiteHarm(bundle=digest, made_at=time.time(), cells=cells))
    return HarmLearnt(
        file=harm_file(settings.storage, name),
        done=done,
        cells=cells,
        tried=Counter({place: len({one.series for one in given}) for place, given in tried.items()}),
    )


def tell(learnt: HarmLearnt, settings: Settings) -> Iterator[str]:
    """For people: what was done, then a line a scanner and protocol."""
    done = learnt.done
    yield f"harm: {done.now} images judged, {done.left} left for the next time"
    if done.lost:
        yield f"harm: {done.lost} series whose images are gone or cannot be judged"
    fitted = {(cell.scanner, cell.protocol) for cell in learnt.cells}
    for (scanner, protocol), count in sorted(learnt.tried.items()):
        alias = settings.scanners.get(scanner, scanner)
        protocol_shown = "".join(c if c.isprintable() else "?" for c in protocol) or "-"
        used = "used" if (scanner, protocol) in fitted else f"{max(0, FEWEST - count)} more series needed"
        yield f"harm: {alias}  {protocol_shown}  {count} series  {used}"
    yield f"written: {learnt.file}" if learnt.cells else "written: nothing, no scanner has enough series yet"


def _counts(one: Scored, digest: str, selection: Selection) -> bool:
    accepted = one.state in selection.states and one.series_instance_uid not in selection.rejected
    return accepted and one.bundle == digest


def _step_back() -> None:
    """Run only where nothing else wants the processor (SCHED_IDLE, Linux)."""
    os.nice(_NICE)
    with suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _datasets(spool: SpoolReader, series: Series) -> Iterator[Dataset]:
    """The objects of a series that was judged, read again.

    Raises:
        NotAssessable: one was received damaged.
        SpoolError: one is gone from the disk.
    """
    check_size([instance.arrival.length for instance in series.instances])
    for instance in series.instances:
        if instance.damaged:
            raise NotAssessable(Reason.UNREADABLE)
        yield read_image(spool.dataset(instance.arrival), instance.arrival.transfer_syntax_uid)
