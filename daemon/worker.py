"""One working process: the workflow engine, the deliverers, and a place on the roster of workers."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import structlog
from dbos import DBOS
from sqlalchemy import Engine

from daemon.core.errors import ThreadEndedError
from daemon.delivering import Deliverer
from daemon.edge.outbox import Outbox
from daemon.edge.roster import Roster
from daemon.workflow import ALERT_QUEUE, JUDGE_QUEUE, WORKFLOW_VERSION

_QUEUE_POLL_S = 0.05
#: How long a stop waits for the steps under way; what is not done by then is resumed at the next start.
_GRACE_S = 20
_BEAT_S = 2.0

_log = structlog.get_logger()


@contextmanager
def durable(engine: Engine, worker: str, *, works: bool = True) -> Iterator[None]:
    """The workflow engine, on the same database; a process that does not work may start workflows all the same."""
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
    if not works:
        DBOS.listen_queues([])
    DBOS.launch()
    # One volume in memory at a time; alerts wait on the network, so several may.
    DBOS.register_queue(JUDGE_QUEUE, worker_concurrency=1, polling_interval_sec=_QUEUE_POLL_S)
    DBOS.register_queue(ALERT_QUEUE, worker_concurrency=8, polling_interval_sec=_QUEUE_POLL_S)
    try:
        yield
    finally:
        DBOS.destroy(workflow_completion_timeout_sec=_GRACE_S)


@contextmanager
def enrolled(roster: Roster, outbox: Outbox, stop: threading.Event) -> Iterator[None]:
    """On the roster, beating; what the lost had under way is taken over, at once and whenever one is lost."""

    def turn() -> float:
        if not roster.beat():
            raise ThreadEndedError("the other workers have given this one up: it was silent too long; start it again")
        replace_lost(roster, outbox)
        return _BEAT_S

    roster.enter()
    try:
        with repeated("roster", turn, stop):
            yield
    finally:
        roster.leave()


def replace_lost(roster: Roster, outbox: Outbox) -> None:
    """Hand out again what belongs to no living worker; doing it twice, or two doing it, is doing it once."""
    living = roster.living()
    outbox.release(living)
    started = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
    lost = sorted({workflow.executor_id for workflow in started if workflow.executor_id} - living)
    if lost:
        _log.warning("worker_lost", workers=len(lost))
        DBOS._recover_pending_workflows(lost)  # noqa: SLF001 - the public way is DBOS' paid conductor


@contextmanager
def delivering(deliverers: Sequence[Deliverer], stop: threading.Event) -> Iterator[None]:
    """A thread for each destination: one that is slow, or gone, holds up no other."""
    with ExitStack() as stack:
        for deliverer in deliverers:
            stack.enter_context(repeated("delivering", deliverer.turn, stop))
        yield


@contextmanager
def repeated(name: str, turn: Callable[[], float], stop: threading.Event) -> Iterator[None]:
    """``turn`` again and again in a thread, pausing the seconds that it returns; its fault stops the process."""

    def repeat() -> None:
        try:
            while not stop.wait(turn()):
                pass
        finally:
            stop.set()

    thread = threading.Thread(target=repeat, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_GRACE_S)
