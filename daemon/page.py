"""The page of a running daemon: what it shows, and where it listens."""

import hmac

from daemon.assembly import Assembling
from daemon.config import Settings
from daemon.core.access import is_loopback
from daemon.core.mode import Mode
from daemon.edge.access.audit import Audit
from daemon.edge.access.sessions import Sessions
from daemon.edge.access.users import Users
from daemon.edge.supervisor import Supervisor
from daemon.edge.telemetry.site_key import site_key
from daemon.edge.web.access import Gate
from daemon.edge.web.board import ExamBoard, Kept, SupervisedBoard
from daemon.edge.web.server import Address
from daemon.edge.web.shadow import ShadowBoard
from daemon.edge.web.sources import Ready, Sources
from daemon.worker import Stores


def address(settings: Settings, port: int) -> Address:
    """Where the page listens, or a worker's metrics."""
    return Address(host=settings.web.host, port=port, hosts=settings.hosts)


def sources_of(
    settings: Settings, stores: Stores, assembling: Assembling, supervisor: Supervisor, tell: tuple[Ready, Ready]
) -> Sources:
    """What the page shows; ``tell``: what keeps the daemon from judging series, and what somebody should know."""
    kept = Kept(exams=stores.exams, results=stores.results, answers=stores.answers, reports=stores.reports)
    board = ExamBoard(kept, lambda: (assembling.changes, assembling.incoming), stores.index.card_id)
    ready, notices = tell
    supervised = SupervisedBoard(board, supervisor)
    shadow = settings.mode is Mode.SHADOW
    return Sources(
        board=ShadowBoard(supervised) if shadow else supervised,
        shadow=shadow,
        answers=stores.answers,
        gate=_gate(settings, stores),
        ready=ready,
        notices=notices,
        language=settings.language,
    )


def _gate(settings: Settings, stores: Stores) -> Gate:
    return Gate(
        settings=settings.access,
        users=Users(stores.engine),
        sessions=Sessions(stores.engine, settings.access),
        audit=Audit(stores.engine),
        secret=hmac.digest(site_key(settings.site_key), b"sessions", "sha256"),
        local=is_loopback(settings.web.host),
    )
