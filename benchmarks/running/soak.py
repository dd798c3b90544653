"""An hour of real series and junk at once: does memory grow, does the verdict come later, is anything lost?

A daemon with a real Orthanc behind it gets a whole head every half minute and mutated conversations all the time::

    PYTHONPATH=. python benchmarks/running/soak.py --minutes 60
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from archive import Archive, running_archive  # noqa: E402 - the path is set above
from builders.peers.fuzz import converse  # noqa: E402
from builders.running.daemon import Daemon, golden_datasets, running_daemon, write_files  # noqa: E402

from daemon.dicom.reading.volumes import read_volumes  # noqa: E402
from daemon.dicom.simulate import series_from_image  # noqa: E402

#: A scanner's pace: one series in so many seconds.
PACE_S = 30.0
#: Of the junk: one conversation in so many seconds.
JUNK_S = 0.2
PAGE = os.sysconf("SC_PAGE_SIZE")


class Junk(threading.Thread):
    """Mutated conversations until told to stop."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self.stopped = threading.Event()
        self.conversations = 0

    def run(self) -> None:
        while not self.stopped.wait(JUNK_S):
            converse(self._port, random.Random(self.conversations))
            self.conversations += 1


class Scanner(threading.Thread):
    """Pushes a head every half minute, and waits for its verdict."""

    def __init__(self, daemon: Daemon, folder: Path) -> None:
        super().__init__()
        self._daemon, self._folder = daemon, folder
        (self._head,) = read_volumes(golden_datasets())
        self.stopped = threading.Event()
        self.pushed: list[str] = []
        self.seconds: list[float] = []

    def run(self) -> None:
        while not self.stopped.is_set():
            begin = time.monotonic()
            self._push_one()
            self.stopped.wait(max(0.0, PACE_S - (time.monotonic() - begin)))

    def _push_one(self) -> None:
        number = len(self.pushed)
        folder = self._folder / f"{number}"
        datasets = list(series_from_image(self._head, seed=f"soak {number}"))
        files = write_files(folder, datasets)
        sent = self._daemon.push(folder)
        if sent.returncode:
            raise RuntimeError(f"series {number} was not taken: {sent.stderr[-500:]}")
        last = time.monotonic()
        self.pushed.append(str(datasets[0].SeriesInstanceUID))
        self._daemon.done(self.pushed[-1])
        self.seconds.append(time.monotonic() - last)
        for file in files:
            file.unlink()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=int, default=60)
    minutes = options.parse_args().minutes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "archive").mkdir()
        with running_archive(folder / "archive") as archive, running_daemon(folder, archive) as daemon:
            soak(daemon, archive, folder, minutes)


def soak(daemon: Daemon, archive: Archive, folder: Path, minutes: int) -> None:
    """Print a line a minute, and in the end what became of everything."""
    junk, scanner = Junk(daemon.dicom_port), Scanner(daemon, folder / "pushed")
    junk.start()
    scanner.start()
    print("| minute | receiver MiB | daemon MiB | open files | seconds to the verdict, median |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    seen = 0
    try:
        for minute in range(1, minutes + 1):
            time.sleep(60)
            seconds = scanner.seconds[seen:]
            seen += len(seconds)
            latency = f"{statistics.median(seconds):.1f}" if seconds else "-"
            receiver_mib, daemon_mib, files = usage(daemon)
            print(f"| {minute} | {receiver_mib:.0f} | {daemon_mib:.0f} | {files} | {latency} |", flush=True)
    finally:
        junk.stopped.set()
        scanner.stopped.set()
        junk.join()
        scanner.join()
    report(daemon, archive, scanner, junk)


def usage(daemon: Daemon) -> tuple[float, float, int]:
    """Memory of receiver and daemon in MiB, and the open files of both."""
    assert daemon.process is not None
    processes = [Path("/proc") / str(pid) for pid in (daemon.receiver_pid(), daemon.working_pid())]
    receiver, judge = (int((process / "statm").read_text().split()[1]) * PAGE / 2**20 for process in processes)
    files = sum(len(list((process / "fd").iterdir())) for process in processes)
    return receiver, judge, files


def report(daemon: Daemon, archive: Archive, scanner: Scanner, junk: Junk) -> None:
    """How many series were answered, and how many reports lie in the archive."""
    records = {record["series"]: record for record in daemon.known()}
    answered = [uid for uid in scanner.pushed if records.get(uid, {}).get("verdict") is not None]
    _, _, series, instances = archive.counts()
    print(f"\n{len(scanner.pushed)} series pushed, {len(answered)} answered")
    print(f"{junk.conversations} mutated conversations")
    print(f"{len(records)} series known with the junk's; the archive holds {instances} objects of {series} series")


if __name__ == "__main__":
    main()
