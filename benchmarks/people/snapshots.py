"""What a page of a scanner costs each time it is told something: CPU of one snapshot, by the exams of that scanner.

A board over a real SQLite file, twenty series an exam; of the exams that are over, a page shows the last twenty::

    PYTHONPATH=.:tests python benchmarks/people/snapshots.py [--exams 1 5 20]
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from builders.page.board import ACCEPT
from builders.page.site import Site
from builders.running.database import opened

from daemon.edge.web.view import EARLIER_MAX, Shown, render_snapshot

SERIES_AN_EXAM = 20


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--exams", type=int, nargs="*", default=[1, 5, 20])
    options.add_argument("--repeats", type=int, default=15)
    chosen = options.parse_args()
    print("| exams | CPU s, median | least |\n| --- | ---: | ---: |")
    with tempfile.TemporaryDirectory() as name, opened(f"sqlite:///{name}/site.sqlite") as engine:
        site, filled = Site(engine, Path(name)), 0
        for exams in sorted(chosen.exams):
            for number in range(filled, exams):
                fill(site, number)
            filled = exams
            snapshot(site)
            spent = [timed(site) for _ in range(chosen.repeats)]
            print(f"| {exams} | {statistics.median(spent):.4f} | {min(spent):.4f} |")


def fill(site: Site, exam: int) -> None:
    """One exam more: its series closed, judged and owed to nobody."""
    for number in range(SERIES_AN_EXAM):
        verdict = replace(ACCEPT, reasons=())
        site.answer(f"1.{exam}.{number}", verdict, study=f"1.{exam}", description=f"protocol {number}")


def snapshot(site: Site) -> str:
    """What the scanner's page is told."""
    view, earlier = site.board.scanner("MR 1"), site.board.earlier("MR 1", EARLIER_MAX)
    shown = Shown(views=[view] if view else [], whole=True, earlier=earlier)
    return render_snapshot(shown, now=time.time(), obstacles=[], page={})


def timed(site: Site) -> float:
    begun = time.thread_time()
    snapshot(site)
    return time.thread_time() - begun


if __name__ == "__main__":
    main()
