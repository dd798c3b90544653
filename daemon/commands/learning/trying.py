"""Accepted series tried in idle time, spoilt and judged again: what ``scanside calibrate`` learns from."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from pydicom import Dataset

from daemon.config import Settings
from daemon.core.errors import NotAssessable, Reason, SpoolError
from daemon.core.values import Series
from daemon.dicom.reading.objects import read_image
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import open_existing
from daemon.edge.database.results import Results
from daemon.edge.engines import engine_maker
from daemon.edge.files.trials import TrialJournal
from daemon.edge.spool.reader import SpoolReader
from daemon.line.examination import Examiner, Examiners
from daemon.line.selection import check_size, select
from daemon.line.spoiling import Bounds, Done, Live, Placed, Spoiler
from daemon.routes import all_routes
from models.subject import Image

#: Behind everything that the line does.
_NICE: Final = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """How long, and how much of it: ``minutes`` in all, ``series`` of each cell, spoilt ``images`` of each.

    ``clean``: so many series of each cell are tried as they came, these among them, once these are done.
    """

    minutes: float
    series: int
    images: int
    clean: int = 0


def examiner_of(settings: Settings, name: str) -> Examiner:
    """Who judges the trials of a bundle, on what the configuration says.

    Raises:
        BundleError: the bundle cannot be used.
    """
    return Examiners(settings.bundle_folders, engine_maker(settings.engine, settings.compiled)).get(name)


def try_series(
    settings: Settings,
    examiner: Examiner,
    journal: TrialJournal,
    chosen: Callable[[sa.Engine], Sequence[Sequence[Placed]]],
    bounds: Time,
) -> Done:
    """Try what was not tried yet of the ``chosen`` cells of series, the newest first, while nobody waits for the line.

    Raises:
        ConfigError: no daemon has run with this configuration, or the bundle tells nothing to learn from.
    """
    _step_back()
    with open_existing(settings.database_url) as engine:
        index, results = Index(engine, b""), Results(engine)
        spool, routes = SpoolReader(settings.spool_settings.folder), all_routes(settings)

        def image_of(series_instance_uid: str) -> Image:
            series = index.newest(series_instance_uid)
            if series is None:
                raise SpoolError("the series is not in the index: it was lost with the database")
            return select(_datasets(spool, series), routes, series.instances[0].arrival.calling_ae).image

        live = Live(image_of=image_of, is_busy=lambda: bool(results.unjudged()))
        until, cells = time.monotonic() + 60 * bounds.minutes, chosen(engine)
        spoilt = Bounds(series=bounds.series, images=bounds.images, until=until)
        done = Spoiler(examiner, journal, live, spoilt).run(cells)
        if done.left or bounds.clean <= bounds.series:
            return done
        clean = Bounds(series=bounds.clean, images=0, until=until)
        further = Spoiler(examiner, journal, live, clean).run(cells)
    return Done(now=done.now + further.now, left=further.left, lost=max(done.lost, further.lost))


def told(done: Done, what: str) -> Iterator[str]:
    """For people: what was done."""
    yield f"{what}: {done.now} images judged, {done.left} left for the next time"
    if done.lost:
        yield f"{what}: {done.lost} series whose images are gone or cannot be judged"


def shown(protocol: str) -> str:
    """A protocol's name, which may hold anything, for a line of text."""
    return "".join(c if c.isprintable() else "?" for c in protocol) or "-"


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
