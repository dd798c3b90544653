"""The composition root: the only place that builds edge objects, starts anything, and stops it again."""

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from daemon.config import Settings
from daemon.core.errors import ThreadEndedError
from daemon.core.mode import Mode
from daemon.core.reception.completion import Completion
from daemon.core.sending.alerts import AlertOutcome
from daemon.core.sending.delivery import Recipient
from daemon.core.values import Arrival
from daemon.dicom.protocol.procedure_step import read_report
from daemon.dicom.reading.headers import read_instance
from daemon.edge.database.studies.examinations import Examinations
from daemon.edge.database.trends.calls import Calls
from daemon.edge.database.trends.quality import Quality
from daemon.edge.engines import MakeEngine, engine_maker
from daemon.edge.files.bundle_words import read_translation
from daemon.edge.private import alone, claim_storage
from daemon.edge.spool.reader import SpoolReader
from daemon.edge.supervisor import Loop, Supervisor, Turn
from daemon.edge.telemetry import logs
from daemon.edge.telemetry.lateness import Lateness
from daemon.edge.telemetry.metrics import OTHER_SCANNER, Metrics, Process, make_metrics
from daemon.edge.telemetry.observer import Observer
from daemon.edge.telemetry.site_key import site_key
from daemon.edge.web.server import serve, serve_metrics
from daemon.line.appraisal import Appraiser, software
from daemon.line.arrivals import Reading
from daemon.line.assembly import Assembling, Assembly
from daemon.line.examination import Examiners
from daemon.line.exams import SpoolExams
from daemon.line.judgement import SeriesJudge
from daemon.line.judges import find_judges
from daemon.line.workflow import Line, Parts
from daemon.page import address, rooms_of, sources_of
from daemon.reloading import Reloading, become_anew
from daemon.retention import Pruner, make_pruner
from daemon.routes import all_roles, all_routes, own_past_bundle
from daemon.sending.feedback import feedback_turn
from daemon.sending.servicing import service_desk, service_turns
from daemon.worker import Stores, answered_to, at_work, prepared, repeated, stored, supervising, watched

_LEFT_S = 1.0
#: Between two looks whether a new configuration is to be read.
_SIGNAL_S = 0.5
_PRUNE_S = 60.0

_log = structlog.get_logger()


def run(
    settings: Settings,
    begun: Callable[[], None],
    *,
    works: bool = True,
    restarts: int = 0,
    config: Path | None = None,
) -> None:
    """The daemon beside its receiver: assemble, judge, report, show, until SIGTERM or SIGINT.

    ``begun`` is called once it is ready. Without ``works`` it leaves work to the workers. ``restarts``: how often it
    was started again before. ``config`` is read again at SIGHUP.

    Raises:
        ConfigError: something configured is not so.
        BundleError: the bundle is not whole, or does not pass its golden test on this machine.
        ThreadEndedError: one of its threads ended by a fault; its trace is in the log.
    """
    reloading = Reloading(config, settings, works=works)
    _until_stopped(settings, reloading, lambda stop: _running(settings, stop, begun, works=works, restarts=restarts))


def run_worker(settings: Settings, metrics_port: int | None = None, config: Path | None = None) -> None:
    """A worker: judge and deliver what the daemons of this database receive, until SIGTERM or SIGINT.

    Its metrics are at ``metrics_port``, where the web page is; nowhere without. ``config`` is read again at SIGHUP.

    Raises:
        ConfigError: something configured is not so.
        BundleError: the bundle is not whole, or does not pass its golden test on this machine.
        ThreadEndedError: one of its threads ended by a fault; its trace is in the log.
    """
    _until_stopped(settings, Reloading(config, settings), lambda stop: _working(settings, stop, metrics_port))


def _until_stopped(
    settings: Settings, reloading: Reloading, running: Callable[[threading.Event], AbstractContextManager[None]]
) -> None:
    """Run until a signal; a new configuration is taken up by a new process under this one's number."""
    logs.configure(settings.log_level, site_key(settings.site_key))
    claim_storage(settings.storage)
    signals: list[int] = []
    stop = threading.Event()

    def note(number: int, _frame: object) -> None:
        signals.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    signal.signal(signal.SIGHUP, reloading.ask)
    with running(stop):
        gc.freeze()  # what stays for good is looked at no more: each full collection took 0.2 s of a series
        while not (anew := reloading.is_due()) and not stop.wait(_SIGNAL_S):
            pass
    _log.info("stopped")
    if anew:
        become_anew()
    if not signals:
        raise ThreadEndedError("a part of the daemon has ended: see the log; start it again, nothing is lost")
    left = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    for thread in left:
        thread.join(_LEFT_S)
        if thread.is_alive():  # a step that waits for a database that is gone, and would hold up the end for ever
            os._exit(os.EX_OK)


@contextmanager
def _running(
    settings: Settings, stop: threading.Event, begun: Callable[[], None], *, works: bool, restarts: int
) -> Iterator[None]:
    """Everything started in the order of need, and stopped in the reverse order."""
    with ExitStack() as stack:
        stack.enter_context(alone(settings.storage))
        stores = stack.enter_context(stored(settings))
        quality, calls = Quality(stores.engine, settings.scanners), Calls(stores.engine)
        registry, starting = CollectorRegistry(), ["the bundles are being tested"]
        metrics = make_metrics(registry)
        metrics.restarts.labels(Process.WORKING_HALF).inc(restarts)
        supervisor = supervising(metrics, stop)
        examiners = Examiners(settings.bundle_folders, _engines(settings, starting))
        line = Line(_parts(settings, stores, examiners, metrics, supervisor))
        assembling = _assembling(settings, stores, line, metrics, supervisor)
        lateness = Lateness(stores.outbox, stores.alerts, [outlet.name for outlet in settings.destinations])
        observer = Observer(metrics, stores.results, lateness, settings.spool_settings.folder)

        def obstacles() -> list[str]:
            return starting or [*observer.obstacles(), *supervisor.obstacles()]

        rooms = rooms_of(settings, stores, assembling, (quality, calls))
        sources = sources_of(settings, stores, assembling, (metrics, supervisor), (obstacles, observer.notices))
        web = serve(replace(sources, rooms=rooms), registry, address(settings, settings.web.port))
        stack.callback(web.stop)
        if works:
            _prepare(settings, examiners)
        starting[:] = ["the database is being opened"]

        def tell(obstacle: str) -> None:
            starting[:] = [obstacle]

        if not prepared(stores.engine, stop, tell):
            yield
            return
        stores.exams.forget_hints()
        stores.exams.adopt(settings.scanners)
        stack.enter_context(repeated([Turn(Loop.OBSERVING, "observer", observer.turn)], supervisor))
        stack.enter_context(answered_to(settings, stores))
        stack.enter_context(watched(line, settings.work.judging_s, supervisor))
        stack.enter_context(at_work(settings, stores, metrics, supervisor, works=works))
        stores.outbox.park_unknown([outlet.name for outlet in settings.destinations])
        given_up = stores.alerts.give_up_unknown(settings.alerts.targets, time.time())
        metrics.alerts.labels(AlertOutcome.GIVEN_UP).inc(given_up)
        pruner = make_pruner(settings, stores.engine)
        turns = [
            Turn(Loop.ASSEMBLY, "assembly", assembling.turn),
            Turn(Loop.JUDGING, "judging", line.begin_failed),
            Turn(Loop.RETENTION, "retention", _pruning(pruner)),
            feedback_turn(settings, stores.engine, registry),
            *service_turns(settings, service_desk(settings, quality, calls, (metrics, supervisor))),
        ]
        stack.enter_context(repeated(turns, supervisor))
        starting.clear()
        bundle, provider = _named(examiners) if works else (None, None)
        _log.info("ready", port=web.port, bundle=bundle, provider=provider)
        begun()
        yield


@contextmanager
def _working(settings: Settings, stop: threading.Event, metrics_port: int | None) -> Iterator[None]:
    """A worker beside others: no receiver, no page."""
    with ExitStack() as stack:
        stores = stack.enter_context(stored(settings))
        registry = CollectorRegistry()
        metrics = make_metrics(registry)
        if metrics_port is not None:
            stack.enter_context(serve_metrics(registry, address(settings, metrics_port)))
        examiners = Examiners(settings.bundle_folders, _engines(settings))
        _prepare(settings, examiners)
        if not prepared(stores.engine, stop):
            yield
            return
        supervisor = supervising(metrics, stop)
        line = Line(_parts(settings, stores, examiners, metrics, supervisor))
        stack.enter_context(watched(line, settings.work.judging_s, supervisor))
        stack.enter_context(at_work(settings, stores, metrics, supervisor, works=True))
        bundle, provider = _named(examiners)
        _log.info("working", bundle=bundle, provider=provider)
        yield


def _engines(settings: Settings, starting: list[str] | None = None) -> MakeEngine:
    """Makes what runs a graph; what takes minutes is said in the log, and as the obstacle ``starting``."""

    def tell(what: str) -> None:
        _log.info("engine", detail=what)
        if starting:
            starting[:] = [what]

    return engine_maker(settings.engine, settings.compiled, tell)


def _prepare(settings: Settings, examiners: Examiners) -> None:
    """Everything about the bundles that can fail does so before a series is taken."""
    all_routes(settings)
    examiners.prepare()


def _named(examiners: Examiners) -> tuple[str, str]:
    """Which bundles are at work, and on what, for the log."""
    ready = examiners.prepare()
    names = [f"{one.bundle.manifest.name} {one.bundle.manifest.version}" for one in ready]
    return ", ".join(names), ", ".join(dict.fromkeys(one.provider for one in ready))


def _assembling(settings: Settings, stores: Stores, line: Line, metrics: Metrics, supervisor: Supervisor) -> Assembling:
    spool = SpoolReader(settings.spool_settings.folder)
    reading = Reading(spool, read_instance, read_report, supervisor)
    exams = SpoolExams(stores.exams, spool, settings.scanners, settings.web.patient)
    count = _arrival_counter(settings, metrics)

    def make() -> Assembly:
        return Assembly(reading, stores.index, Completion(settings.completion), count, exams)

    assembling = Assembling(make, line.begin, stores.results.unjudged, supervisor)
    metrics.own_objects.set_function(lambda: assembling.own_objects)
    return assembling


def _pruning(pruner: Pruner) -> Callable[[], float]:
    def turn() -> float:
        pruner.prune(time.time())
        return _PRUNE_S

    return turn


def _arrival_counter(settings: Settings, metrics: Metrics) -> Callable[[Arrival], None]:
    def count(arrival: Arrival) -> None:
        scanner = settings.scanners.get(arrival.calling_ae, OTHER_SCANNER)
        metrics.instances_received.labels(scanner).inc()
        metrics.bytes_received.labels(scanner).inc(arrival.length)
        metrics.last_image.labels(scanner).set(arrival.received_at)

    return count


def _parts(settings: Settings, stores: Stores, examiners: Examiners, metrics: Metrics, supervisor: Supervisor) -> Parts:
    spool = SpoolReader(settings.spool_settings.folder)
    find_judge = find_judges(settings, stores.engine, examiners, metrics, supervisor)
    metrics.build.labels(version("scanside")).set(1)
    translation = read_translation(settings.language, settings.bundle_folders.values())

    @cache
    def judge() -> SeriesJudge:
        own_past = own_past_bundle(settings)
        appraiser = Appraiser(
            find_judge, software(settings.digest), all_routes(settings), all_roles(settings), own_past
        )
        return SeriesJudge(appraiser, spool.dataset, settings.station, translation)

    shadow = settings.mode is Mode.SHADOW
    told = () if shadow else settings.destinations
    return Parts(
        index=stores.index,
        results=stores.results,
        examinations=Examinations(stores.engine),
        reports=stores.reports,
        judge=judge,
        recipients={o.name: Recipient(objects=o.objects, verdicts=o.verdicts) for o in told},
        alerted=settings.alerted,
        metrics=metrics,
        supervisor=supervisor,
        scanners=settings.scanners,
    )
