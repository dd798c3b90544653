"""What every working process has: stores, workflow engine, deliverers, and a place on the roster of workers."""

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NoReturn, Protocol

import structlog
from dbos import DBOS
from sqlalchemy import Engine

from daemon.config import Settings
from daemon.core.errors import DatabaseDamaged, DatabaseGone
from daemon.edge.database.alerts import Alerts
from daemon.edge.database.answers import Answers
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import connect, prepare
from daemon.edge.database.outbox import Outbox
from daemon.edge.database.patience import PatientTurn, is_gone, unless_gone
from daemon.edge.database.pledges import Pledges
from daemon.edge.database.results import Results
from daemon.edge.database.roster import Roster
from daemon.edge.database.studies.exams import Exams
from daemon.edge.delivery.commitment import CommitmentScu, listening
from daemon.edge.delivery.outlets import DicomOutlet, Outlet, make_destination, peer_of
from daemon.edge.effort import Effort
from daemon.edge.files.reports import Reports
from daemon.edge.supervisor import Loop, Supervisor, Turn
from daemon.edge.telemetry import logs
from daemon.edge.telemetry.metrics import Metrics
from daemon.edge.telemetry.site_key import site_key
from daemon.line.workflow import JUDGE_QUEUE, WORKFLOW_VERSION, adopt_alerts
from daemon.sending.alerting import alert_turns
from daemon.sending.committing import Committer, take_outcome
from daemon.sending.delivering import Deliverer, DeliveryServices

#: Each look costs DBOS three statements: every 0.05 s an idle daemon took a tenth of a slow core for it. A series waits
#: for half of this on average.
_QUEUE_POLL_S = 0.1
#: How long a stop waits for the steps under way; what is not done by then is resumed at the next start.
_GRACE_S = 20
_AGAIN_S = 2.0
_BEAT_S = 2.0
_WATCH_S = 1.0
#: A host may give a series a tenth of a core.
_WALL_TIMES = 10

#: One volume in memory at a time.
LINE_QUEUES = {JUDGE_QUEUE: 1}

_log = structlog.get_logger()


class Judging(Protocol):
    """Whoever judges one series at a time; ``judging``: see ``workflow.Line``."""

    judging: Effort | None


class Claims(Protocol):
    """Rows that workers claim."""

    def release(self, workers: Collection[str]) -> None:
        """Void the claims of all workers but these."""


def end_process() -> NoReturn:
    """End this process at once: no clean-up waits for a thread that hangs. Whoever started it starts it again."""
    logs.drain()
    os._exit(os.EX_SOFTWARE)


@dataclass(frozen=True, slots=True)
class Stores:
    """The database, and what lies beside it in the storage folder."""

    engine: Engine
    index: Index
    results: Results
    reports: Reports
    outbox: Outbox
    pledges: Pledges
    alerts: Alerts
    exams: Exams
    answers: Answers


@contextmanager
def stored(settings: Settings) -> Iterator[Stores]:
    """The stores of a configuration; the database need not answer yet."""
    engine = connect(settings.database_url)
    try:
        key = site_key(settings.site_key)
        index, exams = Index(engine, key), Exams(engine, key, settings.web.patient)
        results, reports = Results(engine), Reports(settings.reports)
        outbox, pledges, alerts = Outbox(engine), Pledges(engine), Alerts(engine)
        yield Stores(engine, index, results, reports, outbox, pledges, alerts, exams, Answers(engine))
    finally:
        engine.dispose()


def prepared(engine: Engine, stop: threading.Event, tell: Callable[[str], None] = lambda _: None) -> bool:
    """Bring the database to its newest shape, as soon as it answers; False if told to stop before that.

    ``tell`` is told in words for people what is waited for.

    Raises:
        ConfigError: newer software made it, or SQLite cannot open its file: waiting would not help.
    """
    while not stop.is_set():
        try:
            prepare(engine)
        except DatabaseGone as error:
            if engine.dialect.name == "sqlite":
                raise
            _log.error("database_gone", detail=str(error))
            tell("the database does not answer yet: images are received and kept")
        except DatabaseDamaged as error:
            _log.error("database_damaged", detail=str(error))
            tell(str(error))
        else:
            return True
        stop.wait(_AGAIN_S)
    return False


@contextmanager
def at_work(
    settings: Settings, stores: Stores, metrics: Metrics, supervisor: Supervisor, *, works: bool
) -> Iterator[None]:
    """Everything that takes work from the database; who does not work sees to the lost ones all the same."""
    roster = Roster(stores.engine, settings.work.silence_s)
    services = DeliveryServices(
        outbox=stores.outbox, reports=stores.reports, metrics=metrics, supervisor=supervisor, worker=roster.worker
    )
    with ExitStack() as stack:
        stack.enter_context(enrolled(roster))
        stack.enter_context(durable(stores.engine, roster.worker, LINE_QUEUES, works=works))
        adopt_alerts(stores.alerts, tuple(settings.alerts.first), time.time())
        stack.enter_context(watchful(roster, [stores.outbox, stores.alerts], supervisor, works=works))
        # A thread for each destination and target: one that is slow, or gone, holds up no other.
        turns = [turn for outlet in settings.destinations for turn in _turns(outlet, settings, stores, services)]
        turns += alert_turns(settings, services, stores.alerts, (stores.results, stores.exams))
        stack.enter_context(repeated(turns if works else (), supervisor))
        yield


def _turns(outlet: Outlet, settings: Settings, stores: Stores, services: DeliveryServices) -> Iterator[Turn]:
    """What is done for one destination, again and again."""
    commitment = isinstance(outlet, DicomOutlet) and outlet.commitment
    destination = make_destination(outlet, settings.dicom.ae_title)
    deliverer = Deliverer(services, destination, outlet.retry_for_s, commitment=commitment)
    yield Turn(Loop.DELIVERING, f"to {outlet.name}", deliverer.turn)
    if isinstance(outlet, DicomOutlet) and outlet.commitment:
        archive = CommitmentScu(peer_of(outlet, settings.commitment.ae_title), partial(take_outcome, stores.pledges))
        committer = Committer(services, stores.pledges, archive, outlet.retry_for_s)
        yield Turn(Loop.COMMITTING, f"by {outlet.name}", committer.turn)


@contextmanager
def answered_to(settings: Settings, stores: Stores) -> Iterator[None]:
    """Listens for what archives have to say about commitment, if any is asked."""
    with ExitStack() as stack:
        if any(isinstance(outlet, DicomOutlet) and outlet.commitment for outlet in settings.destinations):
            stack.enter_context(listening(settings.commitment, partial(take_outcome, stores.pledges)))
        yield


@contextmanager
def durable(engine: Engine, worker: str, queues: Mapping[str, int], *, works: bool = True) -> Iterator[None]:
    """The workflow engine, on the same database; a process that does not work may start workflows all the same.

    ``queues``: what this process takes from, and how many workflows of each it has under way at once.
    """
    DBOS(
        config={
            "name": "scanside",
            "system_database_engine": engine,
            "system_database_url": engine.url.render_as_string(hide_password=False),
            "application_version": WORKFLOW_VERSION,
            "executor_id": worker,
            "console_log_level": "WARNING",
        }
    )
    DBOS.listen_queues([*queues] if works else [])  # without it, whatever other processes registered too
    DBOS.launch()
    for name, at_once in queues.items():
        DBOS.register_queue(name, worker_concurrency=at_once, polling_interval_sec=_QUEUE_POLL_S)
    try:
        yield
    finally:
        DBOS.destroy(workflow_completion_timeout_sec=_GRACE_S)


@contextmanager
def enrolled(roster: Roster) -> Iterator[None]:
    """On the roster from before the first series is taken until after the last is let go; else others take it."""
    roster.enter()
    try:
        yield
    finally:
        with unless_gone():  # the others will see it by our silence
            roster.leave()


@contextmanager
def watchful(roster: Roster, claims: Sequence[Claims], supervisor: Supervisor, *, works: bool = True) -> Iterator[None]:
    """Beating; what the lost had under way is taken over, at once and whenever one is lost.

    Whom the others gave up has nothing left that is its own: the process ends at once, before it takes more from the
    queue. Who does not work had nothing that the others took over, and simply joins again.
    """

    def turn() -> float:
        if not roster.beat():
            if not works:
                roster.enter()
                return 0.0
            _log.critical("given_up", detail="the other workers have given this one up: it was silent too long")
            end_process()
        replace_lost(roster, claims)
        return _BEAT_S

    with repeated([Turn(Loop.ROSTER, "roster", turn)], supervisor):
        yield


@contextmanager
def watched(
    line: Judging, limit_s: float, supervisor: Supervisor, end: Callable[[], None] = end_process
) -> Iterator[None]:
    """Ends the process by ``end`` when a series takes more than ``limit_s``.

    CPU seconds count, so that a busy host ends no good work; of all seconds a series gets some times as many, for what
    hangs without working. A thread that hangs in a codec or a network cannot be stopped otherwise. Whoever starts the
    process again lets the series be tried again; after some attempts it is answered unseen.
    """

    def turn() -> float:
        judging = line.judging
        if judging is not None and (judging.cpu_s > limit_s or judging.wall_s > limit_s * _WALL_TIMES):
            _log.critical("judging_hangs", seconds=judging.wall_s)
            end()
        return _WATCH_S

    with repeated([Turn(Loop.WATCHING, "watch", turn)], supervisor):
        yield


def replace_lost(roster: Roster, claims: Sequence[Claims]) -> None:
    """Hand out again what belongs to no living worker; doing it twice, or two doing it, is doing it once."""
    living = roster.living()
    for claimed in claims:
        claimed.release(living)
    started = DBOS.list_workflows(
        status="PENDING", app_version=WORKFLOW_VERSION, load_input=False, load_output=False
    )  # what another version left is begun anew, not gone on with
    lost = sorted({workflow.executor_id for workflow in started if workflow.executor_id} - living)
    if lost:
        _log.warning("worker_lost", workers=len(lost))
        DBOS._recover_pending_workflows(lost)  # noqa: SLF001 - the public way is DBOS' paid conductor


def supervising(metrics: Metrics, stop: threading.Event) -> Supervisor:
    """The supervisor of a working process, whose faults are counted."""
    supervisor = Supervisor(stop, lambda loop: metrics.faults.labels(loop).inc(), is_gone)
    for loop in Loop:
        metrics.loops_failing.labels(loop).set_function(partial(supervisor.failing, loop))
    return supervisor


@contextmanager
def repeated(turns: Iterable[Turn], supervisor: Supervisor) -> Iterator[None]:
    """Each turn again and again in a thread of its name.

    A database that does not answer is waited for. At the end all get the same grace; whoever is still at it then is
    left behind: what it does is done again, or not needed.
    """

    def repeat(turn: Turn) -> None:
        try:
            supervisor.repeat(turn._replace(run=PatientTurn(turn.run)))
        finally:
            supervisor.stop.set()

    threads = [threading.Thread(target=repeat, args=(turn,), name=turn.name, daemon=True) for turn in turns]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        supervisor.stop.set()
        end = time.monotonic() + _GRACE_S
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
