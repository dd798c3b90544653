"""make demo: daemon, archive and scanner on this machine, four pushes of one head, one line each.

The daemon is the real one in a process of its own; the scanner pushes by real C-STORE; the archive is a Storage SCP
that writes what it gets to a folder, so that its files can be looked at.
"""

import argparse
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import Comprehensive3DSRStorage, SecondaryCaptureImageStorage
from pynetdicom import AE, evt
from pynetdicom.events import Event

from daemon.commands.scanner.push import golden_head, send_plainly, spoilt
from daemon.commands.series import read_series
from daemon.config import Settings, load_settings, shipped_bundles
from daemon.core.errors import ConfigError, ScansideError
from daemon.core.values import State
from daemon.dicom.parsing import parse_file
from daemon.dicom.protocol.outgoing import Outgoing, encode_outgoing
from daemon.dicom.reading.volumes import read_volumes
from daemon.dicom.simulate import corrupted_series
from daemon.edge.database.migrations import open_existing
from daemon.edge.delivery.dicom import Peer
from daemon.edge.files.reports import Reports
from models.physics.artefacts import Artefact

#: What goes wrong with each push: nothing, then one artefact at its worst. The seed is one where the head moves in the
#: middle of k-space; a late movement hardly hurts, and is rightly accepted.
PUSHES: tuple[Artefact | None, ...] = (None, Artefact.MOTION, Artefact.NOISE, Artefact.SPIKE)
SEVERITY, SEED = 1.0, 7
_START_S, _ANSWER_S = 120.0, 120.0
#: How often the answer is looked for: beside the daemon that is at work on it.
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Archive:
    """A small DICOM archive; ``arrived``: SOP instance UID -> when its file was written."""

    folder: Path
    port: int
    arrived: dict[str, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("series", type=Path, nargs="?", help="folder with your own DICOM series; else the golden head")
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="where the demo keeps its things")


def run(options: argparse.Namespace) -> int:
    """Show it all."""
    return run_demo(options.folder, options.series)


def run_demo(folder: Path, source: Path | None) -> int:
    """Run the demo in ``folder``, which is made anew; 0 if every push was answered with a report.

    Raises:
        ScansideError: the series cannot be pushed, or the daemon does not start.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    datasets = _own_series(source) if source else golden_head(shipped_bundles()["brain-t1"], "golden head")
    pushes = {artefact: _simulated(artefact, datasets) for artefact in PUSHES}
    with _archive(folder.resolve() / "archive") as archive, _daemon(folder, archive) as (settings, page):
        print(f"live page {page} while the demo runs; everything lies in {folder.resolve()}\n")
        print(f"{'pushed':8} {'verdict':8} {'cause':8} {'seconds to SR':>13}  action")
        complete = [_show(artefact, images, settings, archive) for artefact, images in pushes.items()]
    print(f"\nconfiguration and storage: {folder.resolve()}; archive: {archive.folder}")
    return 0 if all(complete) else 1


def _show(artefact: Artefact | None, images: list[Outgoing], settings: Settings, archive: _Archive) -> bool:
    """Push the head once and print its answer; whether it is complete."""
    scanner = Peer(
        name="the daemon",
        host="127.0.0.1",
        port=settings.dicom.port,
        ae_title=settings.dicom.ae_title,
        calling_ae="DEMO_MR",
    )
    send_plainly(images, scanner)
    last_image = time.time()
    answer = _answer(images[0].series_instance_uid, settings, archive)
    if answer is None:
        print(
            f"{artefact or 'clean':8} no complete answer within {_ANSWER_S:.0f} s: see {settings.storage}/../daemon.log"
        )
        return False
    seconds = archive.arrived[Path(answer["sr"]).stem] - last_image
    print(
        f"{artefact or 'clean':8} {answer['verdict']:8} {answer['cause'] or '-':8} {seconds:13.2f}  {answer['action']}"
    )
    print(f"{'':8} SR {archive.folder / Path(answer['sr']).name}\n{'':8} picture {answer['picture']}")
    return True


def _simulated(artefact: Artefact | None, datasets: list[Dataset]) -> list[Outgoing]:
    if artefact is not None:
        made = spoilt(datasets, artefact, SEVERITY, SEED)
    else:
        (image,) = read_volumes(datasets)
        made = list(corrupted_series(datasets, image.still, seed="demo clean", description="demo clean"))
    return [encode_outgoing(dataset) for dataset in made]


def _answer(series: str, settings: Settings, archive: _Archive) -> dict[str, str] | None:
    """The series' record once it is done and its SR is in the archive; None if that does not happen in time."""
    deadline, reports = time.monotonic() + _ANSWER_S, Reports(settings.reports)
    with open_existing(settings.database_url) as engine:
        while time.monotonic() < deadline:
            found = [record for record in read_series(engine, reports, 20) if record["series"] == series]
            if found and found[0]["state"] == "DONE" and Path(found[0]["sr"]).stem in archive.arrived:
                return found[0] if found[0]["picture"] else None
            time.sleep(_LOOK_S)
    return None


def _own_series(source: Path) -> list[Dataset]:
    files = sorted(path for path in source.rglob("*") if path.is_file())
    if not files:
        raise ConfigError(f"no files in {source}: give SERIES=<folder of DICOM>")
    return [parse_file(path.read_bytes()) for path in files]


@contextmanager
def _archive(folder: Path) -> Iterator[_Archive]:
    """A Storage SCP that takes SR and Secondary Capture and writes each as a DICOM file."""
    folder.mkdir()
    archive = _Archive(folder=folder, port=_free_port(), arrived={})

    def store(event: Event) -> int:
        uid = str(event.file_meta.MediaStorageSOPInstanceUID)
        (folder / f"{uid}.dcm").write_bytes(event.encoded_dataset())
        archive.arrived[uid] = time.time()
        return 0x0000

    ae = AE(ae_title="ARCHIVE")
    ae.add_supported_context(Comprehensive3DSRStorage)
    ae.add_supported_context(SecondaryCaptureImageStorage)
    ae.start_server(("127.0.0.1", archive.port), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        yield archive
    finally:
        ae.shutdown()


@contextmanager
def _daemon(folder: Path, archive: _Archive) -> Iterator[tuple[Settings, str]]:
    """The daemon on its embedded defaults, but for ports that are free and the archive as its destination."""
    ports = _free_port(), _free_port()
    config = folder / "scanside.toml"
    config.write_text(
        f"storage = {json.dumps(str(folder.resolve() / 'storage'))}\n"
        f'[dicom]\nhost = "127.0.0.1"\nport = {ports[0]}\n'
        f"[web]\nport = {ports[1]}\n"
        f'[[destinations]]\nname = "archive"\nhost = "127.0.0.1"\nport = {archive.port}\nae_title = "ARCHIVE"\n'
        f"verdicts = {[str(state) for state in State]}\n"  # somebody's own series may be none that is judged
    )
    page = f"http://127.0.0.1:{ports[1]}/"
    with (folder / "daemon.log").open("wb") as log:
        command = [sys.executable, "-m", "daemon", "run", "--config", str(config)]
        process = subprocess.Popen(command, stderr=log)  # noqa: S603 - our own interpreter and module
        try:
            _wait_until_ready(process, page, folder / "daemon.log")
            yield load_settings(config), page
        finally:
            process.terminate()
            process.wait(60)


def _wait_until_ready(process: subprocess.Popen[bytes], page: str, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(page + "readyz", timeout=2).close()  # noqa: S310 - our own address
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise ScansideError(f"the daemon did not become ready: see {log}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
