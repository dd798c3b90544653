"""Archives that are away, or picky: everything arrives in order of urgency and once, or is parked with its reason.

``SCANSIDE_OWED`` sets how many series wait while the archive is away (a short run by default).
"""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archive import Archive, free_port, running_archive
from builders.running.daemon import CHEAP, SCANSIDE, running_daemon, wait_until
from builders.running.outbox import SR_CLASS, owe, save, sop_uid
from pydicom.uid import SecondaryCaptureImageStorage

from daemon.core.sending.delivery import URGENCY
from daemon.core.values import State
from daemon.edge.database.migrations import open_database
from daemon.edge.files.reports import Reports

#: How long a delivery may take on a busy machine.
PATIENCE_S = 180.0
OWED = int(os.environ.get("SCANSIDE_OWED", "12"))
STORESCP = "/usr/bin/storescp"
STATES = list(State)
CLASSES = {"SC": SecondaryCaptureImageStorage, "SR": SR_CLASS}


def prepare(folder: Path, count: int, to: tuple[str, ...]) -> None:
    """``count`` judged series, of all verdicts in turn, that owe both objects to every destination."""
    storage = folder / "storage"
    storage.mkdir(parents=True)
    engine, reports = open_database(f"sqlite:///{storage}/scanside.sqlite"), Reports(storage / "reports")
    for number in range(count):
        for kind, sop_class in CLASSES.items():
            save(reports, number, kind, sop_class)
        owe(engine, number, STATES[number % len(STATES)], kinds=("SC", "SR"), to=to, at=time.time() + number / 1000)
    engine.dispose()


def metric(daemon, outcome: str, name: str = "orthanc") -> float:
    wanted = f'scanside_deliveries_total{{destination="{name}",outcome="{outcome}"}} '
    return next((float(line[len(wanted) :]) for line in daemon.metrics() if line.startswith(wanted)), 0.0)


def test_an_archive_that_was_away_gets_everything_once_and_the_most_urgent_first(tmp_path, record_testsuite_property):
    away = Archive(free_port(), free_port())
    prepare(tmp_path, OWED, ("orthanc",))
    (tmp_path / "archive").mkdir()
    with running_daemon(tmp_path, away, CHEAP) as daemon:
        wait_until(lambda: metric(daemon, "failed") >= 2, PATIENCE_S)
        daemon.kill()  # what it had under way is taken up by the next
        daemon.start()
        wait_until(lambda: metric(daemon, "failed") >= 1, PATIENCE_S)
        began = time.monotonic()
        with running_archive(tmp_path / "archive", away) as archive:
            wait_until(lambda: all(record["state"] == "DONE" for record in daemon.known()), 60 + OWED)
            record_testsuite_property("away", f"{OWED} series in {time.monotonic() - began:.0f} s")
            order = archive.order()
            expected = sorted(range(OWED), key=lambda number: (URGENCY[STATES[number % len(STATES)]], number))

            assert [sop_uid(number, kind) for number in expected for kind in ("SC", "SR")] == order
            assert 2 * OWED == metric(daemon, "delivered") == archive.counts()[3]
            assert [] == daemon.known_parked()


@contextmanager
def picky_peer(folder: Path, port: int, sop_class: str) -> Iterator[None]:
    """DCMTK's storescp, taking one SOP class only."""
    folder.mkdir(exist_ok=True)
    configuration = folder.with_suffix(".cfg")
    configuration.write_text(
        "[[TransferSyntaxes]]\n[Plain]\nTransferSyntax1 = LocalEndianExplicit\n"
        f"[[PresentationContexts]]\n[Picky]\nPresentationContext1 = {sop_class}\\Plain\n"
        "[[Profiles]]\n[Only]\nPresentationContexts = Picky\n"
    )
    command = [STORESCP, "-xf", configuration, "Only", "-od", folder, "-aet", "ORTHANC", port]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(120)


def test_one_kind_of_object_refused_is_parked_and_the_rest_delivered_until_a_person_requeues(tmp_path):
    prepare(tmp_path, 3, ("orthanc",))
    received, port = tmp_path / "received", free_port()
    with running_daemon(tmp_path, Archive(port, 0), CHEAP) as daemon:
        with picky_peer(received, port, "SecondaryCaptureImageStorage"):
            wait_until(lambda: all(record["state"] == "DONE" for record in daemon.known()), PATIENCE_S)
        parked = daemon.parked()
        assert 3 == len(list(received.iterdir()))
        assert [("orthanc", "SR")] * 3 == [(entry["destination"], entry["kind"]) for entry in parked]
        assert all(re.search("does not accept .* enable", entry["reason"]) for entry in parked)
        shown = [*SCANSIDE, "series", "--config", str(daemon.config)]
        said = subprocess.run(shown, capture_output=True, text=True, check=True).stdout
        assert 3 == len(re.findall("parked for orthanc: orthanc does not accept", said))

        with picky_peer(received, port, "Comprehensive3DSRStorage"):
            first = daemon.requeue(parked[0]["series"])
            wait_until(lambda: 4 == len(list(received.iterdir())), PATIENCE_S)
            assert 2 == len(daemon.known_parked())
            again, rest = daemon.requeue(parked[0]["series"]), daemon.requeue("--destination", "orthanc")
            wait_until(lambda: all(record["state"] == "DONE" for record in daemon.known()), PATIENCE_S)
        assert "1 deliveries start again" == first
        assert ["nothing is parked there", "2 deliveries start again"] == [again, rest]
        assert [] == daemon.parked()
        assert 6 == len(list(received.iterdir()))
        assert "nothing is parked there" == daemon.requeue("--all")


def test_requeue_wants_to_know_what(tmp_path):
    config = tmp_path / "scanside.toml"
    config.write_text(f'storage = "{tmp_path}"\n')
    for options, said in (
        ((), "say what"),
        (("--destination", "none"), "no destination none"),
        (("--all",), "run the"),
    ):
        command = [*SCANSIDE, "requeue", *options, "--config", str(config)]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)

        assert 1 == finished.returncode
        assert said in finished.stderr
