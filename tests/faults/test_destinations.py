"""Destinations that answer nonsense: theirs is parked or waits with a reason, everything else is delivered."""

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from builders.peers.acceptor import HEAD, acceptance, peer, read, stored
from builders.peers.nonsense import serving, storing, web
from builders.running.database import opened
from builders.running.outbox import owe, save, sop_uid
from prometheus_client import CollectorRegistry

from daemon.core.errors import DeliveryError
from daemon.core.ports import Destination
from daemon.edge.database.alerts import Alerts
from daemon.edge.database.outbox import Delivery, Outbox
from daemon.edge.database.patience import is_gone
from daemon.edge.delivery.outlets import DicomOutlet, FolderOutlet, StowOutlet, make_destination
from daemon.edge.files.reports import Reports
from daemon.edge.supervisor import Supervisor
from daemon.edge.telemetry.lateness import Lateness
from daemon.edge.telemetry.metrics import make_metrics
from daemon.sending.delivering import Deliverer, DeliveryServices

pytestmark = [  # pynetdicom leaves a socket whose peer was faster to gc
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

WEEK_S = 604800.0
LOGIN = b"<!DOCTYPE html><form action='/login'></form>"
FIRST = sop_uid(0)


@dataclass
class Site:
    """A database, its reports, and what delivers: ``bad`` is tried in each round, ``good`` until it owes nothing."""

    services: DeliveryServices
    folder: Path

    def owe(self, numbers: range, *to: str) -> None:
        for number in numbers:
            save(self.services.reports, number)
            owe(self.services.outbox._engine, number, to=to, at=time.time())  # noqa: SLF001 - its own database

    def deliver(self, destination: Destination, turns: int = 12) -> None:
        """Some turns at one destination, without the pauses between them."""
        deliverer = Deliverer(self.services, destination, WEEK_S)
        for _ in range(turns):
            deliverer.turn()

    def rows(self, destination: str) -> dict[str, Delivery]:
        """What is or was owed to one destination, by its SOP instance UID."""
        uids = [f"1.2.9.{number}" for number in range(40)]
        rows = self.services.outbox.of_series(uids)
        return {row.sop_instance_uid: row for row in rows if row.destination == destination}

    def good(self) -> Destination:
        """A folder, made anew at each start."""
        (self.folder / "good").mkdir(exist_ok=True)
        return make_destination(FolderOutlet(name="good", path=self.folder / "good"), "SCANSIDE")

    def arrived(self) -> int:
        """How many objects lie in that folder."""
        return len([*(self.folder / "good").iterdir()])


@contextmanager
def site(url: str, folder: Path) -> Iterator[Site]:
    """Opening it again is a restart."""
    with opened(url) as engine:
        yield Site(
            DeliveryServices(
                outbox=Outbox(engine),
                reports=Reports(folder / "reports"),
                metrics=make_metrics(CollectorRegistry()),
                supervisor=Supervisor(threading.Event(), passes=is_gone),
                worker="w",
            ),
            folder,
        )
    gc.collect()


def dicom(port: int) -> Destination:
    outlet = DicomOutlet(name="bad", host="127.0.0.1", port=port, ae_title="A", timeout_s=1.0)
    return make_destination(outlet, "SCANSIDE")


def stow(port: int, **settings: Path) -> Destination:
    outlet = StowOutlet(name="bad", url=f"http://127.0.0.1:{port}/dicom-web", timeout_s=1.0, **settings)
    return make_destination(outlet, "SCANSIDE")


def garbage(connection: socket.socket) -> None:
    with connection, suppress(OSError):
        read(connection)
        connection.sendall(HEAD.pack(2, 100) + bytes(100))
        read(connection)


class Broken:
    """What no destination may do."""

    name = "bad"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def deliver(self, _report_object: object) -> str:
        raise self._error


#: How it serves, what delivers there, and a word of the reason that is told.
NONSENSE: dict[str, tuple[Callable[[socket.socket], None], Callable[[int], Destination], str]] = {
    "login page": (web(lambda _: LOGIN), stow, "login page"),
    "nothing": (web(lambda _: b""), stow, "without naming"),
    "brackets": (web(lambda _: b"[" * 100_000), stow, "without naming"),
    "endless": (web(lambda _: b"[" * 500_000), stow, "no answer"),
    "parts of 6 bytes": (peer(acceptance(most=6)), dicom, "6 bytes"),
    "no parts": (peer(acceptance(most=None)), dicom, "parts of"),
    "no syntax": (peer(acceptance(syntax="1.2.3")), dicom, "transfer syntax"),
    "garbage": (garbage, dicom, "makes no sense"),
    "another instance": (peer(acceptance(), lambda _: stored("1.2.3")), dicom, "something else"),
    "refusal": (peer(acceptance(), lambda uid: stored(uid, Status=0xC000)), dicom, "C000"),
    "fault": (garbage, lambda _: Broken(RecursionError()), "a fault of ours (RecursionError)"),
    "foreign fault": (garbage, lambda _: Broken(ValueError("PATIENT")), "a fault of ours (ValueError)"),
}


@pytest.mark.parametrize(("serve", "make", "word"), NONSENSE.values(), ids=NONSENSE)
def test_one_that_answers_nonsense_costs_its_own_deliveries_only_and_says_why_before_and_after_a_restart(
    url, tmp_path, serve, make, word
):
    with serving(serve) as port:
        for start in range(2):
            with site(url, tmp_path) as here:
                here.owe(range(10 * start, 10 * start + 10), "bad", "good")
                here.deliver(make(port))
                here.deliver(here.good())
                rows = here.rows("bad").values()

                assert 10 * start + 10 == here.arrived()
                assert not [row for row in rows if row.delivered_at]
                assert word in " ".join(row.parked or row.trouble for row in rows)
                assert "PATIENT" not in " ".join(row.parked or row.trouble for row in rows)


def test_credentials_that_break_while_it_runs_are_waited_for(url, tmp_path):
    token = tmp_path / "token"
    token.write_text("Bearer one")
    with serving(web(storing)) as port, site(url, tmp_path) as here:
        destination = stow(port, authorization_file=token)
        here.owe(range(10), "bad")
        for content in (b"Bearer a\r\nX: b", "Bearer \u2603".encode(), b""):
            token.write_bytes(content)
            here.deliver(destination, turns=2)
        token.unlink()
        here.deliver(destination, turns=2)
        waiting = [row for row in here.rows("bad").values() if row.parked or row.delivered_at]
        token.write_text("Bearer two")
        here.deliver(destination)

        assert [] == waiting
        assert 10 == len([row for row in here.rows("bad").values() if row.delivered_at])


@pytest.mark.parametrize(
    ("serve", "make"),
    [
        (web(lambda body: LOGIN if FIRST.encode() in body else storing(body)), stow),
        (web(lambda body: b"[" * 100_000 if FIRST.encode() in body else storing(body)), stow),
        (peer(acceptance(), lambda uid: stored("1.2.3" if uid == FIRST else uid)), dicom),
        (peer(acceptance(), lambda uid: stored(uid, Status=0xC000 if uid == FIRST else 0)), dicom),
        (peer(acceptance(), lambda uid: HEAD.pack(7, 4) + bytes(4) if uid == FIRST else stored(uid)), dicom),
    ],
    ids=["login page", "brackets", "another instance", "refusal", "abort"],
)
def test_the_ten_behind_a_poisoned_object_are_delivered_and_it_alone_is_left_also_after_a_restart(
    url, tmp_path, serve, make
):
    with serving(serve) as port:
        for start in range(2):
            with site(url, tmp_path) as here:
                here.owe(range(11 if start == 0 else 0), "bad")
                here.deliver(make(port))
                rows = here.rows("bad")
                left = {uid for uid, row in rows.items() if not row.delivered_at}

                assert 11 == len(rows)
                assert {FIRST} == left
                assert rows[FIRST].parked or rows[FIRST].trouble


@pytest.mark.parametrize("content", [b"", b"junk" * 99, None], ids=["empty", "junk", "gone"])
def test_a_damaged_report_is_parked_alone_also_after_a_restart(url, tmp_path, content):
    for start in range(2):
        with site(url, tmp_path) as here:
            here.owe(range(11 if start == 0 else 0), "good")
            path = here.services.reports.path(FIRST)
            if start == 0:
                path.unlink() if content is None else path.write_bytes(content)
            here.deliver(here.good())
            rows = here.rows("good")

            assert 10 == here.arrived()
            assert rows[FIRST].parked
            assert all(row.delivered_at for uid, row in rows.items() if uid != FIRST)


def test_a_login_page_in_the_archives_place_is_told_on_the_page_until_it_is_gone(url, tmp_path):
    shown = [LOGIN]
    with serving(web(lambda body: shown[-1] or storing(body))) as port, site(url, tmp_path) as here:
        lateness = Lateness(here.services.outbox, Alerts(here.services.outbox._engine), ["bad", "good"])  # noqa: SLF001
        here.owe(range(3), "bad", "good")
        here.deliver(stow(port))
        soon, later = lateness.sentences(time.time()), lateness.sentences(time.time() + 120.0)
        shown.append(b"")
        for _ in range(100):
            here.deliver(stow(port), turns=3)
            if all(row.delivered_at for row in here.rows("bad").values()):
                break
            time.sleep(0.1)
        (said,) = later

        assert [] == soon
        assert said.startswith(
            "bad did not take 3 of the reports, which are tried again: bad answered HTTP 200 without"
        )
        assert "login page" in said
        assert [] == lateness.sentences(time.time() + 120.0)


def test_what_makes_no_sense_for_longer_than_agreed_is_parked_with_its_reason(url, tmp_path):
    with serving(web(lambda _: LOGIN)) as port, site(url, tmp_path) as here:
        here.owe(range(1), "bad")
        Deliverer(here.services, stow(port), -1.0).turn()

        assert "login page" in (here.rows("bad")[FIRST].parked or "")


def test_every_destination_raises_delivery_errors_only(tmp_path):
    report = save(Reports(tmp_path / "reports"), 0)
    with ExitStack() as stack:
        for serve, make, word in NONSENSE.values():
            if "fault" not in word:
                destination = make(stack.enter_context(serving(serve)))
                with pytest.raises(DeliveryError):
                    destination.deliver(report)
    gc.collect()
