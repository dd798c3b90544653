"""A cohort under kills: `scanside batch` over many series, killed at random moments and started again.

One series in eight is a head of thick slices, the others are phantoms that are answered without a network. All kills
fall into the first 40 % of the rows, so that one process does the rest and its memory can be seen to be flat. At the
end there must be one row a series, and none that was given up.

    PYTHONPATH=.:tests python benchmarks/running/cohort.py --series 1000 --kills 12
    PYTHONPATH=.:tests python benchmarks/running/cohort.py --series 200 --machines 2   # PostgreSQL; one is killed
"""

import argparse
import json
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from builders.images.cohort import counted
from builders.peers.postgres import running_postgres
from builders.running.daemon import SCANSIDE, write_series

HEADS = 8  # one series in so many
KILLED_BEFORE = 0.4
MARKS = (0.5, 0.75, 1.0)
NAME = "benchmark"


@dataclass
class Seen:
    """The memory of a process in MiB: with its first answer, and when so much of all was answered."""

    rss: dict[float, float] = field(default_factory=dict)
    peak: float = 0.0
    began: float | None = None

    def look(self, pid: int, share: float) -> None:
        self.began = share if self.began is None else self.began
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            return
        if "VmRSS:" not in status:
            return
        now = int(status.split("VmRSS:")[1].split()[0]) / 1024
        self.peak = max(self.peak, now)
        if share > self.began:
            for mark in (self.began, *MARKS):
                if share >= mark:
                    self.rss.setdefault(mark, now)


@dataclass
class Site:
    """A folder of series, and where the cohort's database is."""

    folder: Path
    config: Path
    database: str

    def start(self, out: str) -> subprocess.Popen[bytes]:
        log = (self.folder.parent / "batch.log").open("ab")
        command = ["batch", self.folder, "--out", self.folder.parent / out, "--name", NAME, "--config", self.config]
        return subprocess.Popen([*SCANSIDE, *map(str, command)], stderr=log, stdout=log)

    def answered(self) -> tuple[int, int]:
        return counted(self.database, NAME)

    def rows(self, out: str) -> list[dict]:
        return json.loads((self.folder.parent / out / "rows.json").read_text())


def write_cohort(folder: Path, count: int) -> set[str]:
    """The series' UIDs; series ``4 n`` of the builder are heads, the others phantoms."""
    uids = set()
    for number in range(count):
        uid, _ = write_series(
            folder / f"{number // 100:02d}" / f"{number:05d}", 4 * number + (number % HEADS > 0), "cohort"
        )
        uids.add(uid)
    return uids


def killed_and_resumed(site: Site, count: int, kills: int, chance: random.Random) -> Seen:
    """In turns soon after a start, wherever that is, and when some number of rows is there."""
    counts = sorted(chance.randrange(1, int(KILLED_BEFORE * count)) for _ in range(kills // 2))
    done = 0
    while done < kills:
        process, began = site.start("out"), time.monotonic()
        wait, rows = chance.uniform(0.1, 15), counts[done // 2] if done % 2 else None
        while time.monotonic() - began < wait if rows is None else site.answered()[0] < rows:
            assert process.poll() is None, "ended by itself"
            time.sleep(0.1)
        time.sleep(chance.uniform(0, 1))
        process.kill()
        process.wait()
        done += 1
        print(
            f"kill {done}: {site.answered()[0]} answered, {time.monotonic() - began:.1f} s after its start", flush=True
        )
    return watched(site, site.start("out"), count)


def watched(site: Site, process: subprocess.Popen[bytes], count: int) -> Seen:
    """To the end, without further kills."""
    seen = Seen()
    while process.poll() is None:
        seen.look(process.pid, site.answered()[0] / count)
        time.sleep(0.5)
    assert process.returncode == 0, (site.folder.parent / "batch.log").read_text()[-2000:]
    return seen


def shared(site: Site, count: int, machines: int) -> str:
    """Several at once; the first is killed for good when a third is done."""
    processes = [site.start(f"out-{number}") for number in range(machines)]
    while site.answered()[0] < count / 3:
        assert {None} == {process.poll() for process in processes}
        time.sleep(0.1)
    processes[0].send_signal(signal.SIGKILL)
    killed = time.monotonic()
    for process in processes[1:]:
        assert process.wait() == 0
    return f"one of {machines} killed at a third: all answered {time.monotonic() - killed:.0f} s later"


def check(rows: list[dict], uids: set[str]) -> str:
    names = [row["series"] for row in rows]
    assert len(names) == len(set(names)), "a row is doubled"
    assert set(names) == uids, "a row is missing"
    assert not [row for row in rows if "failed" in row["action"]], "a series was given up"
    heads = sum(row["uncertainty"] is not None for row in rows)
    assert heads == (len(uids) + HEADS - 1) // HEADS, "a head was not judged"
    verdicts = dict(Counter(row["verdict"] for row in rows))
    return f"{len(rows)} rows, none missing or doubled; {heads} heads judged; {verdicts}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--machines", type=int, default=1, help="more than one: on a PostgreSQL")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(running_postgres()) if options.machines > 1 else None
        site = Site(scratch / "series", scratch / "scanside.toml", f"sqlite:///{scratch}/out/cohort.sqlite")
        if server:
            site.database = server.database()
        database = f'database = "{site.database}"\n' if server else ""
        site.config.write_text(f"{database}[engine]\nthreads = 1\n")
        uids = write_cohort(site.folder, options.series)
        print(f"{len(uids)} series in {sum(1 for _ in site.folder.rglob('*.dcm'))} files", flush=True)
        began = time.monotonic()
        if server:
            print(shared(site, len(uids), options.machines))
        else:
            seen = killed_and_resumed(site, len(uids), options.kills, random.Random(options.seed))
            memory = " | ".join(f"{mark:.0%}: {rss:.0f} MiB" for mark, rss in sorted(seen.rss.items()))
            print(f"{options.kills} kills; memory of the last process at {memory}; peak {seen.peak:.0f} MiB")
        print(f"{time.monotonic() - began:.0f} s in all;", check(site.rows("out-1" if server else "out"), uids))


if __name__ == "__main__":
    main()
