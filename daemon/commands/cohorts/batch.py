"""scanside batch: every series below a folder judged through a queue, resumable, as rows for people and programs.

What is to be judged and what was found lie in a database: SQLite beside the tables, or the configured PostgreSQL,
where any number of machines run the same command on the same folder and share the work.
"""

import argparse
import hashlib
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from daemon.commands.assess import FileAppraiser
from daemon.commands.cohorts.cohort import CohortLine
from daemon.commands.cohorts.figures import draw_figure
from daemon.commands.cohorts.studies import Gathering, Study
from daemon.commands.finding import Finds, find_series
from daemon.config import Settings, load_settings
from daemon.core.errors import ConfigError, StoppedEarly
from daemon.edge.database.alerts import Alerts
from daemon.edge.database.cohorts import Changes, Cohort
from daemon.edge.database.migrations import open_database
from daemon.edge.database.outbox import Outbox
from daemon.edge.database.patience import is_gone
from daemon.edge.database.roster import Roster
from daemon.edge.files.cohort_page import write_page
from daemon.edge.files.derivative import FOLDER, write_derivative
from daemon.edge.files.tables import CSV, check_parquet, write_tables
from daemon.edge.supervisor import Supervisor
from daemon.edge.telemetry import logs
from daemon.edge.telemetry.progress import Progress
from daemon.line.appraisal import Appraisal
from daemon.routes import all_roles, all_routes, measuring_bundle
from daemon.worker import durable, enrolled, watched, watchful
from models.bundle import load_bundle, read_manifest
from models.manifest import Manifest

DATABASE: Final = "cohort.sqlite"
#: Behind everything else on this machine: a cohort can wait, a patient on the table cannot.
_NICE: Final = 10
_LOOK_S: Final = 0.5
_AGAIN_S: Final = 10.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("folder", type=Path, help="DICOM or NIfTI files, in any folders below")
    parser.add_argument("--out", type=Path, default=Path("batch"), help="folder for the tables, and for SQLite")
    parser.add_argument("--name", default="", help="of the cohort, by which it is resumed and joined; else the folder")
    parser.add_argument("--parquet", action="store_true", help="rows.parquet too: pip install 'scanside[parquet]'")
    parser.add_argument("--scanner", default="", help="calling AE title: judge as if all had come from there")
    parser.add_argument("--bids", action="store_true", help="a BIDS derivative too, and a page of all with pictures")


def run(options: argparse.Namespace) -> int:
    """Judge the cohort, and print what was done."""
    print(run_batch(options, load_settings(options.config)))
    return 0


def run_batch(options: argparse.Namespace, settings: Settings) -> str:
    """Judge what has no answer yet, then write the tables; what was done, in words.

    Raises:
        ConfigError: there is no series in the folder; the cohort was begun otherwise; Parquet cannot be written.
        BundleError: a bundle cannot be used.
        StoppedEarly: SIGINT, SIGTERM or the loss of the database ended it; the same command goes on.
    """
    if options.parquet:
        check_parquet()
    if options.bids:
        _measuring(settings)
    logs.configure("warning", secrets.token_bytes(32))
    os.nice(_NICE)
    with _stop_by_signal() as stop, _opened(options, settings) as engine:
        cohort = Cohort(engine, options.name or str(options.folder.resolve()))
        cohort.enter(_judge(settings, options.scanner, measured=options.bids))
        finds = _look(options, stop)
        changes = cohort.add((found.series, found.study, found.files) for found in finds.series)
        _say(finds, changes)
        del finds
        before, _ = cohort.count()
        _work(options, settings, cohort, engine, stop)
        answered, total = cohort.count()
        if answered < total:
            raise StoppedEarly(f"stopped with {answered} of {total} series judged: the same command goes on")
        try:
            write_tables(cohort.rows, options.out, parquet=options.parquet)
            if options.bids:
                _write_derivative(cohort, options.out / FOLDER, _measuring(settings))
        except OSError as error:
            raise StoppedEarly(f"cannot write to {options.out} ({error.strerror}): make room, start again") from error
    return f"{total - before} series judged, {before} were before: {options.out / CSV}"


@contextmanager
def _stop_by_signal() -> Iterator[threading.Event]:
    """Set by the first SIGINT or SIGTERM; the second ends the process as it would any."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(_number: int, _frame: object) -> None:
        stop.set()
        restore()
        os.write(2, b"\nstopping when the series under way is answered; once more to stop now\n")  # never reentrant

    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        restore()


@contextmanager
def _opened(options: argparse.Namespace, settings: Settings) -> Iterator[Engine]:
    """The cohort's database, and the folder of the tables; what fails in them is said in one line."""
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make {options.out} ({error.strerror}): give another folder with --out") from error
    engine = open_database(settings.database or f"sqlite:///{options.out / DATABASE}")
    try:
        yield engine
    except OperationalError as error:
        raise StoppedEarly(f"the database has gone ({error.orig}): start again when it is back, all is kept") from error
    finally:
        engine.dispose()


def _measuring(settings: Settings) -> Manifest:
    """The bundle that measures any image.

    Raises:
        ConfigError: none is configured.
    """
    name = measuring_bundle(settings)
    if not name:
        raise ConfigError("--bids needs the bundle that takes any image: configure it, or leave --bids out")
    return read_manifest(settings.bundle_folders[name])


def _write_derivative(cohort: Cohort, out: Path, manifest: Manifest) -> None:
    software = version("scanside")
    out.mkdir(mode=0o700, exist_ok=True)
    entries = write_derivative(cohort.rows, out, manifest, software)
    if manifest.past is not None:
        write_page(entries, out, manifest.past, software)


def _judge(settings: Settings, scanner: str, *, measured: bool) -> str:
    """Digest of what decides an answer: rows of one cohort must compare. Machines: see the golden test."""
    bundles = {name: load_bundle(folder).digest for name, folder in settings.bundle_folders.items()}
    files = [settings.references_of(name) for name in bundles] if scanner else []
    references = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.exists()]
    deciding = (sorted(bundles.items()), scanner, references, settings.judgement.rule.value, settings.routes)
    more = ("measured",) if measured else ()  # nothing else: cohorts that were begun before go on
    return hashlib.sha256(repr((*deciding, *more)).encode()).hexdigest()


def _look(options: argparse.Namespace, stop: threading.Event) -> Finds:
    progress = Progress("files looked at")

    def look(count: int) -> None:
        if stop.is_set():
            raise StoppedEarly("stopped before anything was judged: the same command begins again")
        progress.show(count)

    finds = find_series(options.folder, look)
    progress.end()
    if not finds.series:
        raise ConfigError(f"no series below {options.folder}: give a folder of DICOM or NIfTI files")
    return finds


def _say(finds: Finds, changes: Changes) -> None:
    """What a person may not expect."""
    for number, what in (
        (finds.others, "files are neither DICOM of a series nor NIfTI, or were made by Scanside: passed over"),
        (finds.unreadable, "files or folders could not be opened: start again when they can"),
        (changes.changed, "series have other files than when they were begun: judged anew"),
        (changes.again, "series could not be read before: tried again"),
        (changes.gone, "series of earlier runs are no longer in the folder: their rows stay"),
    ):
        if number:
            sys.stderr.write(f"{number} {what}\n")


def _work(
    options: argparse.Namespace, settings: Settings, cohort: Cohort, engine: Engine, stop: threading.Event
) -> None:
    """Take part in the work until every series has its answer, or somebody stops us."""
    answered, total = cohort.count()
    if answered == total:
        return
    appraiser = FileAppraiser(settings)
    supervisor = Supervisor(stop, passes=is_gone)
    line = _line(options, settings, cohort, appraiser, supervisor)
    roster = Roster(engine, settings.work.silence_s)
    with ExitStack() as stack:
        stack.enter_context(watched(line, settings.work.judging_s, supervisor, end=_begin_anew))
        stack.enter_context(enrolled(roster))
        stack.enter_context(durable(engine, roster.worker, {line.queue: 1}))
        stack.enter_context(watchful(roster, [Outbox(engine), Alerts(engine)], supervisor))
        line.begin(stop)
        _wait(cohort, line, stop)


def _line(
    options: argparse.Namespace, settings: Settings, cohort: Cohort, appraiser: FileAppraiser, supervisor: Supervisor
) -> CohortLine:
    """What judges the cohort; for a derivative it measures and draws each series too."""
    gathering = _gathering(settings, options.scanner)

    def appraise(series: str, study: Study, files: Sequence[Path]) -> Appraisal:
        found = appraiser.appraise(files, options.scanner, partial(gathering.company, series, study))
        return appraiser.measure(found) if options.bids else found

    show = partial(draw_figure, out=options.out / FOLDER) if options.bids else lambda *_: None
    return CohortLine(cohort, options.folder, appraise, supervisor, show)


def _gathering(settings: Settings, scanner: str) -> Gathering:
    """Who may join whom with the configured bundles."""
    manifests = {name: read_manifest(folder) for name, folder in settings.bundle_folders.items()}
    stacked = {name: one.lead for name, one in manifests.items() if one.inputs[one.lead].every}
    return Gathering(routes=all_routes(settings), roles=all_roles(settings), stacked=stacked, scanner=scanner)


def _wait(cohort: Cohort, line: CohortLine, stop: threading.Event) -> None:
    progress, again = Progress("series judged"), time.monotonic() + _AGAIN_S
    while not stop.is_set():
        answered, total = cohort.count()
        progress.show(answered, total)
        if answered == total:
            break
        if time.monotonic() > again:
            if line.is_idle():
                line.begin(stop)
            again = time.monotonic() + _AGAIN_S
        stop.wait(_LOOK_S)
    progress.end()


def _begin_anew() -> None:
    """This process in the place of itself: a series that hangs must not end a night's work."""
    sys.stderr.flush()
    logs.drain()
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - our own command, as we were started
