"""The page of a running daemon: what it shows, and where it listens."""

import hmac
import time

from daemon.config import Settings
from daemon.core.mode import Mode
from daemon.core.people.access import is_loopback
from daemon.edge.access.audit import Audit
from daemon.edge.access.sessions import Sessions
from daemon.edge.access.users import Users
from daemon.edge.database.trends.calls import Calls
from daemon.edge.database.trends.history import Histories
from daemon.edge.database.trends.quality import Quality
from daemon.edge.files.bundle_words import read_translation
from daemon.edge.spool.reader import SpoolReader
from daemon.edge.supervisor import Supervisor
from daemon.edge.telemetry.metrics import Metrics
from daemon.edge.telemetry.site_key import site_key
from daemon.edge.web.access import Gate
from daemon.edge.web.board import ExamBoard, Kept, SupervisedBoard
from daemon.edge.web.pages.deeds import Deeds
from daemon.edge.web.server import Address
from daemon.edge.web.shadow import ShadowBoard
from daemon.edge.web.sources import Ready, Rooms, Sources
from daemon.line.assembly import Assembling, Wish
from daemon.slices import SpoolSlices
from daemon.worker import Stores


def address(settings: Settings, port: int) -> Address:
    """Where the page listens, or a worker's metrics."""
    return Address(host=settings.web.host, port=port, hosts=settings.hosts)


def sources_of(
    settings: Settings,
    stores: Stores,
    assembling: Assembling,
    made: tuple[Metrics, Supervisor],
    tell: tuple[Ready, Ready],
) -> Sources:
    """What the page shows; ``tell``: what keeps the daemon from judging series, and what somebody should know."""
    kept = Kept(exams=stores.exams, results=stores.results, answers=stores.answers, reports=stores.reports)
    board = ExamBoard(kept, lambda: (assembling.changes, assembling.incoming), stores.index.card_id)
    metrics, supervisor = made
    ready, notices = tell
    supervised = SupervisedBoard(board, supervisor)
    shadow = settings.mode is Mode.SHADOW
    return Sources(
        board=ShadowBoard(supervised) if shadow else supervised,
        shadow=shadow,
        answers=stores.answers,
        gate=_gate(settings, stores, metrics),
        ready=ready,
        notices=notices,
        language=settings.language,
        translation=read_translation(settings.language, settings.bundle_folders.values()),
    )


def rooms_of(settings: Settings, stores: Stores, assembling: Assembling, trends: tuple[Quality, Calls]) -> Rooms:
    """What the pages of scanners and series show, and what they let be done."""
    slices = SpoolSlices(stores.index, SpoolReader(settings.spool_settings.folder), stores.reports)
    deeds = Deeds(
        complete=lambda uid: assembling.ask(Wish(uid, again=False)),
        again=lambda uid: assembling.ask(Wish(uid, again=True)),
        resend=lambda uid: stores.outbox.resend(time.time(), uid),
        is_there=slices.is_there,
        slices=slices.count,
        slice=slices.png,
        has_overlay=slices.has_overlay,
        overlay=slices.overlay,
    )

    def open_uid(card_id: str) -> str | None:
        uids = (one.series_instance_uid for one in assembling.incoming)
        return next((uid for uid in uids if stores.index.card_id(uid) == card_id), None)

    quality, calls = trends
    histories = Histories(stores.engine, settings.scanners)
    return Rooms(quality=quality, calls=calls, histories=histories, deeds=deeds, open_uid=open_uid)


def _gate(settings: Settings, stores: Stores, metrics: Metrics) -> Gate:
    return Gate(
        settings=settings.access,
        users=Users(stores.engine),
        sessions=Sessions(stores.engine, settings.access),
        audit=Audit(stores.engine),
        secret=hmac.digest(site_key(settings.site_key), b"sessions", "sha256"),
        local=is_loopback(settings.web.host),
        count=lambda why: metrics.refusals.labels(why).inc(),
    )
