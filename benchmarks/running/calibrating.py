"""Live heads beside ``scanside calibrate --harm``: the same head pushed without it and with it, taking turns.

The daemon has judged some heads of one protocol, which are what the site learns from; in each round so many more are
pushed one after the other, first alone, then while the command judges spoilt images of the first ones. The times are
the daemon's own, from the last image; the medians of all rounds. From the root::

    PYTHONPATH=.:tests python benchmarks/running/calibrating.py
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builders.running.daemon import SCANSIDE, Daemon, running_daemon, wait_until, write_files

from daemon.commands.scanner.push import golden_head
from daemon.config import shipped_bundles

STAGES = ("infer", "verdict", "report")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--past", type=int, default=4, help="heads that the site learns from")
    parser.add_argument("--series", type=int, default=6, help="heads of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    spent: dict[str, list[dict[str, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name, running_daemon(Path(name)) as daemon:
        for number in range(options.past):
            judged(daemon, f"past {number}")
        for turn in range(options.rounds):
            spent["alone"] += [judged(daemon, f"alone {turn} {number}") for number in range(options.series)]
            with calibrating(daemon) as trials:
                before = trials.stat().st_size
                spent["beside"] += [judged(daemon, f"beside {turn} {number}") for number in range(options.series)]
                time.sleep(5)
                assert before < trials.stat().st_size, "nothing was learnt meanwhile: push fewer heads, or more past"
    print_table(spent)


def judged(daemon: Daemon, name: str) -> dict[str, float]:
    """Push the golden head as another series; its seconds by stage."""
    datasets = golden_head(shipped_bundles()["brain-t1"], name)
    folder = daemon.config.parent / name
    write_files(folder, datasets)
    assert daemon.push(folder).returncode == 0
    return daemon.done(str(datasets[0].SeriesInstanceUID))["seconds"]


@contextmanager
def calibrating(daemon: Daemon) -> Iterator[Path]:
    """The command at work; what it tried is kept in the file that is given."""
    command = [*SCANSIDE, "calibrate", "--harm", "--bundle", "brain-t1", "--images", "100", "--config", daemon.config]
    trials = daemon.config.parent / "storage" / "harm-brain-t1.trials"
    before = trials.stat().st_size if trials.exists() else 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as learning:
        try:
            wait_until(lambda: learning.poll() is not None or (trials.exists() and trials.stat().st_size > before))
            assert learning.poll() is None, "the command ended at once"
            yield trials
        finally:
            learning.kill()


def print_table(spent: dict[str, list[dict[str, float]]]) -> None:
    print(f"| seconds, median of {len(spent['alone'])} heads | {' | '.join(STAGES)} |")
    print(f"| --- |{' ---: |' * len(STAGES)}")
    medians = {}
    for name, times in spent.items():
        medians[name] = [statistics.median(time[stage] for time in times) for stage in STAGES]
        print(f"| {name} | {' | '.join(f'{median:.2f}' for median in medians[name])} |")
    ratios = (beside / alone for alone, beside in zip(medians["alone"], medians["beside"], strict=True))
    print(f"| ratio | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |")


if __name__ == "__main__":
    main()
