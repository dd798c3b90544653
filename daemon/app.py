"""The composition root: the only place that builds edge objects, starts anything, and stops it again."""

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import structlog
from dbos import DBOS
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from daemon.assembly import Assembly
from daemon.config import Settings
from daemon.core.completion import Completion
from daemon.core.errors import ThreadEndedError
from daemon.core.values import Algorithm, Arrival
from daemon.dicom.headers import read_instance
from daemon.edge import logs
from daemon.edge.board import ResultsBoard
from daemon.edge.index import Index
from daemon.edge.metrics import OTHER_SCANNER, Metrics, make_metrics
from daemon.edge.notifier import make_notifiers
from daemon.edge.observer import Observer
from daemon.edge.outlets import make_destination
from daemon.edge.receiver_process import ReceiverProcess
from daemon.edge.references import SiteReferences
from daemon.edge.reports import Reports
from daemon.edge.results import Results
from daemon.edge.schema import open_database, sqlite_url
from daemon.edge.spool import SpoolReader
from daemon.edge.web.server import serve
from daemon.examination import Examiner, check_golden, load_examiner
from daemon.intake import receive
from daemon.judgement import SeriesJudge
from daemon.workflow import DELIVERY_QUEUE, JUDGE_QUEUE, WORKFLOW_VERSION, Line, Parts, Recipient

#: A turn of the assembly that found nothing to do is followed by this pause.
_IDLE_S = 0.02
_LOOK_S = 1.0
_QUEUE_POLL_S = 0.05
_SITE_KEY_BYTES = 32
#: How long a stop waits for the steps under way; what is not done by then is resumed at the next start.
_GRACE_S = 20

_log = structlog.get_logger()


def run_receiver(settings: Settings, parent: int | None) -> None:
    """The receiver process: receives until SIGTERM or the end of ``parent``, and does nothing else."""
    logs.configure(settings.log_level, site_key(settings))
    receive(settings.spool_settings, settings.dicom, parent)


def run(settings: Settings, receiver_command: Sequence[str]) -> None:
    """The daemon: receive, judge, report, until SIGTERM or SIGINT.

    Raises:
        ConfigError: something configured is not so.
        BundleError: the bundle is not whole, or does not pass its golden test on this machine.
        ThreadEndedError: one of its threads ended by a fault; its trace is in the log.
    """
    logs.configure(settings.log_level, site_key(settings))
    signals: list[int] = []
    stop = threading.Event()

    def note(number: int, _frame: object) -> None:
        signals.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    with _running(settings, receiver_command, stop):
        stop.wait()
    _log.info("stopped")
    if not signals:
        raise ThreadEndedError("a part of the daemon has ended: see the log; start it again, nothing is lost")


@contextmanager
def _running(settings: Settings, receiver_command: Sequence[str], stop: threading.Event) -> Iterator[None]:
    """Everything started in the order of need, and stopped in the reverse order."""
    with ExitStack() as stack:
        engine = open_database(sqlite_url(settings.database))
        stack.callback(engine.dispose)
        stores = _Stores(Index(engine, site_key(settings)), Results(engine), Reports(settings.reports))
        spool = SpoolReader(settings.spool_settings.folder)
        registry, obstacles = CollectorRegistry(), ["the bundle is being tested"]
        metrics = make_metrics(registry)
        completion = Completion(settings.completion)
        assembly = Assembly(spool, stores.index, completion, read_instance, _arrival_counter(settings, metrics))
        # Receiving does not wait for the bundle: images are safe from the first second on.
        receiver = ReceiverProcess(receiver_command)
        stack.callback(receiver.stop)
        board = ResultsBoard(
            stores.results,
            stores.reports,
            settings.scanners,
            lambda: (assembly.changes, assembly.incoming),
            stores.index.card_id,
        )
        web = serve(board, registry, lambda: obstacles, settings.web.host, settings.web.port)
        stack.callback(web.stop)
        examiner = load_examiner(settings.bundle, settings.engine)
        check_golden(examiner)
        line = Line(_parts(settings, stores, examiner, spool, metrics))
        stack.enter_context(_durable(engine))
        for uid, revision in stores.results.unfinished():
            line.begin(uid, revision)
        assembly.restore()
        stack.enter_context(_repeated("assembly", _assembling(assembly, line), stop))
        observer = Observer(metrics, stores.results, settings.spool_settings.folder, receiver.pid)
        stack.enter_context(_repeated("observer", _observing(observer, obstacles), stop))
        _log.info("ready", port=web.port, bundle=examiner.bundle.manifest.name, provider=examiner.provider)
        yield


@dataclass(frozen=True, slots=True)
class _Stores:
    index: Index
    results: Results
    reports: Reports


@contextmanager
def _durable(engine: Engine) -> Iterator[None]:
    """The workflow engine, on the same database; what was under way when it last stopped goes on."""
    DBOS(
        config={
            "name": "scanside",
            "system_database_engine": engine,
            "system_database_url": str(engine.url),
            "application_version": WORKFLOW_VERSION,
            "executor_id": "local",
            "console_log_level": "WARNING",
        }
    )
    DBOS.launch()
    # One volume in memory at a time; deliveries wait on the network, so several may.
    DBOS.register_queue(JUDGE_QUEUE, worker_concurrency=1, polling_interval_sec=_QUEUE_POLL_S)
    DBOS.register_queue(DELIVERY_QUEUE, worker_concurrency=8, polling_interval_sec=_QUEUE_POLL_S)
    try:
        yield
    finally:
        DBOS.destroy(workflow_completion_timeout_sec=_GRACE_S)


@contextmanager
def _repeated(name: str, turn: Callable[[], float], stop: threading.Event) -> Iterator[None]:
    """``turn`` again and again in a thread, pausing the seconds that it returns; its fault stops the daemon."""

    def repeat() -> None:
        try:
            while not stop.wait(turn()):
                pass
        finally:
            stop.set()

    thread = threading.Thread(target=repeat, name=name)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _assembling(assembly: Assembly, line: Line) -> Callable[[], float]:
    def turn() -> float:
        read, closed = assembly.turn(time.time())
        for series in closed:
            line.begin(series.series_instance_uid, series.revision)
        return 0.0 if read or closed else _IDLE_S

    return turn


def _observing(observer: Observer, obstacles: list[str]) -> Callable[[], float]:
    def turn() -> float:
        obstacles[:] = observer.look()
        return _LOOK_S

    return turn


def _arrival_counter(settings: Settings, metrics: Metrics) -> Callable[[Arrival], None]:
    def count(arrival: Arrival) -> None:
        scanner = settings.scanners.get(arrival.calling_ae, OTHER_SCANNER)
        metrics.instances_received.labels(scanner).inc()
        metrics.bytes_received.labels(scanner).inc(arrival.length)
        metrics.last_image.labels(scanner).set(arrival.received_at)

    return count


def site_key(settings: Settings) -> bytes:
    """The site's secret; made at the first start, readable by its owner only."""
    settings.storage.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(settings.site_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return settings.site_key.read_bytes()
    key = secrets.token_bytes(_SITE_KEY_BYTES)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    return key


def _parts(settings: Settings, stores: _Stores, examiner: Examiner, spool: SpoolReader, metrics: Metrics) -> Parts:
    bundle = examiner.bundle
    algorithm = Algorithm(
        bundle=bundle.manifest.name,
        bundle_version=bundle.manifest.version,
        bundle_digest=bundle.digest,
        software_version=version("scanside"),
        config_digest=settings.digest,
    )
    references = SiteReferences(settings.references, bundle, settings.judgement.rule)
    metrics.build.labels(algorithm.software_version).set(1)
    metrics.bundle.labels(algorithm.bundle, algorithm.bundle_version, examiner.provider).set(1)
    return Parts(
        index=stores.index,
        results=stores.results,
        reports=stores.reports,
        judge=SeriesJudge(examiner, algorithm, spool.dataset_bytes, references.choose, settings.station),
        recipients=dict(_recipients(settings)),
        notifiers={notifier.name: notifier for notifier in make_notifiers(settings.alerts.urls)},
        metrics=metrics,
        scanners=settings.scanners,
        page=settings.alerts.page or f"http://{settings.web.host}:{settings.web.port}/",
    )


def _recipients(settings: Settings) -> Iterator[tuple[str, Recipient]]:
    for outlet in settings.destinations:
        destination = make_destination(outlet, settings.dicom.ae_title)
        yield outlet.name, Recipient(destination=destination, kinds=frozenset(outlet.objects))
