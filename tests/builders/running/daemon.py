"""The real daemon in processes of its own, as its operator starts it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from archive import Archive, free_port
from pydicom import Dataset, dcmwrite

from builders.running.looking import looked_into
from daemon.commands.parked import list_parked
from daemon.commands.scanner.push import golden_head
from daemon.commands.series import read_series
from daemon.config import load_settings, shipped_bundles
from daemon.core.values import State
from daemon.dicom.reading.volumes import read_volumes
from daemon.dicom.simulate import corrupted_series, series_from_image
from daemon.edge.files.reports import Reports
from models.subject import still

STORESCU = "/usr/bin/storescu"
SCANSIDE = [sys.executable, "-m", "daemon"]
#: A command without its step behind everything else: on a machine that runs other tests it would wait for ever.
AT_ONCE = "import os; os.nice = os.sched_setscheduler = lambda *_: None; from daemon.__main__ import main; main()"
#: For a configuration whose bundle has no network to be tested at the start.
CHEAP = f'shipped = false\nbundles = {{ any-mr = "{shipped_bundles()["any-mr"]}" }}'


@dataclass(slots=True)
class Daemon:
    """A daemon with its configuration in a folder; start, stop, kill and start it again."""

    config: Path
    dicom_port: int
    web_port: int
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self, *, ready: bool = True) -> None:
        """Start it and wait until it is ready, if that is wanted."""
        with self.config.with_name("daemon.log").open("ab") as log:
            # a process group of its own: killing it takes its children along
            self.process = subprocess.Popen(
                [*SCANSIDE, "run", *self.options, "--config", str(self.config)], stderr=log, start_new_session=True
            )
        if ready:
            self.wait_until_ready()

    def wait_until_ready(self, seconds: float = 120) -> None:
        """Wait for /readyz."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, self.config.with_name("daemon.log").read_text()[-3000:]
            try:
                self.get("readyz")
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("the daemon did not become ready")

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(90)

    def kill(self) -> None:
        """SIGKILL for the parent, its receiver and its working half at once."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(120)

    def working_pid(self) -> int | None:
        """The process id of the working half; None while the parent has none."""
        return next((pid for pid, command in self._children().items() if b"run" in command), None)

    def living_receiver_pid(self) -> int | None:
        """The process id of the parent's receiver, listening or not; None while it has none."""
        return next((pid for pid, command in self._children().items() if b"receive" in command), None)

    def _children(self) -> dict[int, list[bytes]]:
        """The command lines of the parent's children by process id."""
        assert self.process is not None
        found = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with suppress(OSError):  # it has just ended
                found[int(pid)] = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return found

    def receiver_pid(self) -> int:
        """The receiver's process id, from its status file."""
        return json.loads((self.config.parent / "storage" / "spool" / "receiver.json").read_text())["pid"]

    def get(self, path: str) -> bytes:
        """A page of the web server."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/{path}", timeout=30) as answer:
            return answer.read()

    def obstacles(self) -> str:
        """What /readyz says; nothing while no page answers."""
        try:
            return self.get("readyz").decode()
        except urllib.error.HTTPError as error:  # 503
            return error.read().decode()
        except OSError:
            return ""

    def series(self) -> list[dict]:
        """What `scanside series --json` says."""
        command = [*SCANSIDE, "series", "--json", "--config", str(self.config)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return [json.loads(line) for line in said.splitlines()]

    def known(self) -> list[dict]:
        """The same without a process for each look."""
        settings = load_settings(self.config)
        with looked_into(settings.database_url) as engine:
            return read_series(engine, Reports(settings.reports), 10000)

    def parked(self) -> list[dict]:
        """What `scanside parked --json` says."""
        command = [*SCANSIDE, "parked", "--json", "--config", str(self.config)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return [json.loads(line) for line in said.splitlines()]

    def known_parked(self) -> list[dict]:
        """The same without a process for each look."""
        return list_parked(load_settings(self.config), time.time())

    def requeue(self, *options: str) -> str:
        """What `scanside requeue` says."""
        command = [*SCANSIDE, "requeue", *options, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def metrics(self) -> list[str]:
        """The lines of /metrics."""
        return self.get("metrics").decode().splitlines()

    def done(self, series: str, revision: int = 1, seconds: float = 180) -> dict:
        """The record of a series once it is done."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for record in self.known():
                if (record["series"], record["revision"], record["state"]) == (series, revision, "DONE"):
                    return record
            time.sleep(0.5)
        raise AssertionError(f"series not done: {self.series()}")

    def push(self, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """Push a folder of DICOM files by DCMTK's storescu."""
        command = [STORESCU, *options, "-aec", "SCANSIDE", "-aet", "MR1", "127.0.0.1", str(self.dicom_port)]
        return subprocess.run([*command, "+sd", str(folder)], capture_output=True, text=True, check=False)


def wait_until(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait for a condition; fails if it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@contextmanager
def running_daemon(  # noqa: PLR0913 - each has its default
    folder: Path,
    archive: Archive | None = None,
    extra: str = "",
    options: tuple[str, ...] = (),
    *,
    ready: bool = True,
    verdicts: Iterable[State] = tuple(State),
) -> Iterator[Daemon]:
    """A started daemon in ``folder`` that reports ``verdicts`` to ``archive``; stopped in the end in any case."""
    daemon = Daemon(folder / "scanside.toml", free_port(), free_port(), options)
    destination = (
        f'[[destinations]]\nname = "orthanc"\nhost = "127.0.0.1"\nport = {archive.dicom_port}\nae_title = "ORTHANC"\n'
        f"verdicts = {[str(verdict) for verdict in verdicts]}\n"
        if archive
        else ""
    )
    daemon.config.write_text(
        f'storage = "{folder / "storage"}"\nscanners = {{ MR1 = "Trio" }}\n{extra}\n'
        f'[dicom]\nhost = "127.0.0.1"\nport = {daemon.dicom_port}\n[web]\nport = {daemon.web_port}\n{destination}'
    )
    try:
        daemon.start(ready=ready)
        yield daemon
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()


@cache
def golden_datasets() -> tuple[Dataset, ...]:
    """The golden head as a classic MR series."""
    return tuple(golden_head(shipped_bundles()["brain-t1"], "golden head"))


def write_files(folder: Path, datasets: Iterable[Dataset]) -> list[Path]:
    """Write data sets as DICOM files, numbered in their order; where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, dataset in enumerate(datasets):
        files.append(folder / f"{number:04d}.dcm")
        dcmwrite(files[-1], dataset, enforce_file_format=True)
    return files


def write_golden(folder: Path, image=None, seed: str = "e2e") -> str:
    """Write the golden head, or another image on its grid, as files; the series' UID."""
    datasets = golden_datasets()
    if image is not None:
        datasets = tuple(corrupted_series(datasets, image, seed))
    write_files(folder, datasets)
    return str(datasets[0].SeriesInstanceUID)


def start_beside(daemon: Daemon, log: Path, *command: str) -> subprocess.Popen[bytes]:
    """``scanside`` with another command of the daemon's configuration, such as a worker; it adds to ``log``."""
    with log.open("ab") as file:
        return subprocess.Popen([*SCANSIDE, *command, "--config", str(daemon.config)], stderr=file)


@contextmanager
def running_workers(
    daemon: Daemon, *names: str, options: tuple[str, ...] = ()
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Workers beside the daemon, each with a log of its own; ended in the end, however they stand."""
    logs, processes = [daemon.config.with_name(f"{name}.log") for name in names], []
    for path in logs:
        path.unlink(missing_ok=True)
        processes.append(start_beside(daemon, path, "work", *options))
    try:
        deadline = time.monotonic() + 120
        while not all('"working"' in path.read_text() for path in logs):
            for process, path in zip(processes, logs, strict=True):
                assert process.poll() is None, path.read_text()[-3000:]
            assert time.monotonic() < deadline, "the workers did not become ready"
            time.sleep(0.1)
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait(120)


def write_series(folder: Path, number: int, seed: str) -> tuple[str, list[Path]]:
    """Series ``number``: now and then a head of thick slices, else a phantom answered at once; UID and files."""
    rng = np.random.default_rng([number, *seed.encode()])
    if number % 4 == 0:
        (head,) = read_volumes(golden_datasets())
        voxels = head.still[:, :, ::2] * rng.uniform(0.9, 1.1)
        volume = still(voxels.astype(np.float32), head.affine @ np.diag([1.0, 1.0, 2.0, 1.0]))
    else:
        volume = still(rng.gamma(2, 100, (64, 64, 12)).astype(np.float32), np.diag([3.0, 3.0, 5.0, 1.0]))
    datasets = list(series_from_image(volume, seed=f"{seed} {number}"))
    return str(datasets[0].SeriesInstanceUID), write_files(folder, datasets)
