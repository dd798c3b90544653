"""Fifty series a minute with five open pages: how long to each verdict, what the processes hold, what a page misses.

Five scanners push in turn, twenty series an exam: a phantom, which any-mr judges, and now and then the golden head,
which brain-t1 judges. DCMTK's storescu sends each series in an association of its own. Each scanner has its page open:
a window of a real Chromium, or, as drawing five costs a core without a graphics card, what such a page asks for; each
notes when it is first told the verdict of which series::

    PYTHONPATH=.:tests python benchmarks/running/busy.py --minutes 10 --heads 5 --windows 1
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from archive import free_port
from builders.images.phantoms import series, volume
from builders.page.browser import browser
from builders.running.cost import cpu_s, family, held_mib
from builders.running.daemon import STORESCU, Daemon, golden_datasets, write_files
from pydicom import Dataset
from pydicom.uid import generate_uid
from selenium.webdriver import Chrome

SCANNERS = [f"MR{number}" for number in range(1, 6)]
SERIES_AN_EXAM = 20
#: Of the phantom's series: twelve protocols, of another person each.
PHANTOMS = 12
MIB = 2**20
#: In each page: when it first shows the verdict of a series, by the series' number.
NOTE = """
window.seen = {};
const look = () => document.querySelectorAll(".card").forEach((card) => {
    const number = (card.querySelector(".number").textContent.match(/\\d+/) || [])[0];
    if (number && ["ACCEPT", "REVIEW", "RESCAN"].includes(card.dataset.kind)) seen[number] ??= Date.now() / 1000;
});
const changes = {childList: true, subtree: true, attributes: true};
new MutationObserver(look).observe(document.getElementById("exams"), changes);
look();
"""


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """A series that was sent; ``sent_at``: when its association was over, epoch seconds."""

    number: int
    uid: str
    scanner: str
    head: bool
    accepted: bool
    sent_at: float


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--a-minute", type=int, default=50, help="series")
    options.add_argument("--heads", type=int, default=5, help="of these, golden heads")
    options.add_argument("--windows", type=int, default=1, help="of the five pages, in Chromium")
    options.add_argument("--patience", type=float, default=300, help="seconds, for what was pushed last")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name, browser(Path(name) / "profile", (1280, 900)) as chrome:
        daemon = started(Path(name))
        try:
            measure(daemon, chrome, Path(name), chosen)
        finally:
            daemon.kill()


def started(folder: Path) -> Daemon:
    """A daemon with both bundles that ship, five scanners and a folder that takes the reports."""
    daemon = Daemon(folder / "scanside.toml", free_port(), free_port())
    (folder / "reports").mkdir()
    names = ", ".join(f'{title} = "{title}"' for title in SCANNERS)
    daemon.config.write_text(
        f'storage = "{folder / "storage"}"\nscanners = {{ {names} }}\n'
        f'[dicom]\nhost = "127.0.0.1"\nport = {daemon.dicom_port}\n[web]\nport = {daemon.web_port}\n'
        f'[[destinations]]\nkind = "folder"\nname = "reports"\npath = "{folder / "reports"}"\n'
    )
    daemon.start()
    return daemon


def measure(daemon: Daemon, chrome: Chrome, folder: Path, chosen: argparse.Namespace) -> None:
    """Push, and print what became of it."""
    pages = Pages(chrome, daemon.web_port, chosen.windows)
    before, cpu = held(daemon, chrome), spent(daemon, chrome)
    began, load = time.time(), os.getloadavg()[0]
    pushed, late_s = push_all(daemon, folder, chosen)
    minutes = (time.time() - began) / 60
    waited_s = wait_for(daemon, len(pushed), chosen.patience)
    time.sleep(2)  # a page is told within a quarter of a second
    after = held(daemon, chrome)
    print(f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after; {os.cpu_count()} cores")
    print(f"{len(pushed)} series, {sum(one.head for one in pushed)} of them heads, pushed within {minutes:.1f} minutes")
    print(f"the last was pushed {late_s:.0f} s late; all were answered, or given up, {waited_s:.0f} s after")
    report_answers(daemon, pushed)
    report_pages(daemon, pages.seen(), pushed)
    report_cost(before, after, {name: seconds - cpu[name] for name, seconds in spent(daemon, chrome).items()})
    bytes_kept = sum(path.stat().st_size for path in (folder / "storage").rglob("*") if path.is_file())
    print(f"disk: {bytes_kept / MIB:.0f} MiB in the storage folder")


def push_all(daemon: Daemon, folder: Path, chosen: argparse.Namespace) -> tuple[list[Pushed], float]:
    """Push by the clock; how late the last one was, in seconds."""
    count = round(chosen.minutes * chosen.a_minute)
    share = chosen.heads / chosen.a_minute
    begun, pushed, late_s = time.monotonic(), [], 0.0
    for number in range(1, count + 1):
        is_head = int(number * share) > int((number - 1) * share)
        written = write_files(folder / "pushed", datasets_of(number, head=is_head))
        due = begun + (number - 1) * 60 / chosen.a_minute
        late_s = max(0.0, time.monotonic() - due)
        time.sleep(max(0.0, due - time.monotonic()))
        pushed.append(push(daemon, number, written, head=is_head))
    return pushed, late_s


def push(daemon: Daemon, number: int, files: Sequence[Path], *, head: bool) -> Pushed:
    """Send one series as its scanner does, and remove its files."""
    scanner = scanner_of(number)
    command = [STORESCU, "-aec", "SCANSIDE", "-aet", scanner, "127.0.0.1", str(daemon.dicom_port)]
    sent = subprocess.run([*command, *files], capture_output=True, check=False)
    at = time.time()
    for file in files:
        file.unlink()
    accepted = sent.returncode == 0
    return Pushed(number=number, uid=uid_of(number), scanner=scanner, head=head, accepted=accepted, sent_at=at)


def scanner_of(number: int) -> str:
    return SCANNERS[number % len(SCANNERS)]


def uid_of(number: int, what: object = "series") -> str:
    return str(generate_uid(entropy_srcs=["busy", str(what), str(number)]))


def datasets_of(number: int, *, head: bool) -> Iterator[Dataset]:
    """The images of series ``number``: new UIDs, in the exam of its scanner."""
    exam = number // (len(SCANNERS) * SERIES_AN_EXAM)
    person = f"{scanner_of(number)}-{exam}"
    for place, dataset in enumerate(golden_datasets() if head else phantom(number % PHANTOMS)):
        dataset.SeriesInstanceUID, dataset.SeriesNumber = uid_of(number), number
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid_of(number, place)
        dataset.StudyInstanceUID = str(generate_uid(entropy_srcs=["busy", person]))
        dataset.PatientID = dataset.PatientName = person
        yield dataset


_PHANTOMS: dict[int, list[Dataset]] = {}


def phantom(protocol: int) -> list[Dataset]:
    """One protocol's phantom; made once."""
    if protocol not in _PHANTOMS:
        _PHANTOMS[protocol] = list(series(volume(protocol), f"protocol {protocol}"))
    return _PHANTOMS[protocol]


def wait_for(daemon: Daemon, count: int, patience_s: float) -> float:
    """Until as many series have their verdict, or patience ends; the seconds that it took."""
    begun = time.monotonic()
    while sum(one["verdict"] is not None for one in daemon.known()) < count:
        if time.monotonic() - begun > patience_s:
            break
        time.sleep(2)
    return time.monotonic() - begun


class Pages:
    """A page of each scanner, the first few in windows of a browser; each notes what it is told."""

    def __init__(self, chrome: Chrome, port: int, windows: int) -> None:
        self._chrome = chrome
        self._windows = []
        for scanner in SCANNERS[:windows]:
            chrome.switch_to.new_window("window")
            chrome.get(f"http://127.0.0.1:{port}/scanners/{scanner}")
            chrome.execute_script(NOTE)
            self._windows.append(chrome.current_window_handle)
        self._streams = [Stream(f"http://127.0.0.1:{port}/events?scanner={name}") for name in SCANNERS[windows:]]
        for stream in self._streams:
            stream.start()

    def seen(self) -> dict[int, float]:
        """When a page first showed the verdict of a series, by its number."""
        found: dict[int, float] = {}
        for window in self._windows:
            self._chrome.switch_to.window(window)
            found |= {int(number): at for number, at in self._chrome.execute_script("return window.seen").items()}
        for stream in self._streams:
            found |= stream.seen
        return found


class Stream(threading.Thread):
    """What a page asks for, without a browser."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self.seen: dict[int, float] = {}

    def run(self) -> None:
        """Until the daemon ends; what a stream that broke before was not told is missed."""
        with suppress(httpx.TransportError), httpx.stream("GET", self._url, timeout=60) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    self._note(json.loads(line[6:]), time.time())

    def _note(self, snapshot: dict[str, Any], at: float) -> None:
        for card in snapshot["cards"]:
            if card["verdict"] and card["number"] is not None:
                self.seen.setdefault(card["number"], at)


def report_answers(daemon: Daemon, pushed: Sequence[Pushed]) -> None:
    """How many were answered, with what, and how long the daemon took."""
    records = {one["series"]: one for one in daemon.known()}
    answered = [records[one.uid] for one in pushed if records.get(one.uid, {}).get("verdict")]
    verdicts = {
        state: sum(one["verdict"] == state for one in answered) for state in {one["verdict"] for one in answered}
    }
    refused = sum(not one.accepted for one in pushed)
    print(f"{refused} not accepted, {len(answered)} answered, {len(pushed) - len(answered)} missed: {verdicts}")
    for name, is_head in (("phantoms", False), ("heads", True)):
        told = [records[one.uid]["seconds"] for one in pushed if one.head == is_head and one.uid in records]
        seconds = [one["verdict"] for one in told if "verdict" in one]
        print(f"last image to verdict, {name}: {spread(seconds)}")


def report_pages(daemon: Daemon, seen: Mapping[int, float], pushed: Sequence[Pushed]) -> None:
    """Which verdicts the pages showed, and how long after the last image."""
    records = {one["series"]: one for one in daemon.known()}
    due = [one for one in pushed if records.get(one.uid, {}).get("verdict") not in (None, "NOT_ASSESSED")]
    missed = [one.number for one in due if one.number not in seen]
    print(f"five pages: {len(due)} verdicts to show, {len(missed)} missed {missed[:20]}")
    print(f"last image to the page: {spread([seen[one.number] - one.sent_at for one in due if one.number in seen])}")


def report_cost(before: Mapping[str, float], after: Mapping[str, float], cpu: Mapping[str, float]) -> None:
    """Memory at the start and the end, and CPU time between, of receiver, daemon and browser."""
    print("| process | MiB before | MiB after | CPU s |\n| --- | ---: | ---: | ---: |")
    for name in before:
        print(f"| {name} | {before[name]:.0f} | {after[name]:.0f} | {cpu[name]:.0f} |")


def spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    median, late = statistics.median(seconds), np.percentile(seconds, 95)
    return f"median {median:.2f} s, 95 % {late:.2f} s, longest {max(seconds):.2f} s"


def processes(daemon: Daemon, chrome: Chrome) -> dict[str, list[int]]:
    """The process ids of receiver, daemon, and the browser with all of its children."""
    working = daemon.working_pid()
    assert working is not None
    return {"receiver": [daemon.receiver_pid()], "daemon": [working], "browser": family(chrome.service.process.pid)}


def held(daemon: Daemon, chrome: Chrome) -> dict[str, float]:
    """Memory in MiB."""
    return {name: sum(map(held_mib, pids)) for name, pids in processes(daemon, chrome).items()}


def spent(daemon: Daemon, chrome: Chrome) -> dict[str, float]:
    """CPU seconds since the start of each."""
    return {name: sum(map(cpu_s, pids)) for name, pids in processes(daemon, chrome).items()}


if __name__ == "__main__":
    main()
