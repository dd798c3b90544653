"""scanside export-labels: verdicts and the answers to them, as a table; how often each kind of rescan was right."""

import argparse
import csv
import getpass
import sys
import time
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from daemon.commands.option import since_s
from daemon.commands.replay import list_recorded
from daemon.config import load_settings
from daemon.core.people.access import Deed
from daemon.core.people.labels import precisions
from daemon.core.people.replay import Recorded
from daemon.edge.access.audit import Audit, Entry
from daemon.edge.database.migrations import open_existing
from daemon.edge.private import create

_COLUMNS = ("card", "scanner", "protocol", "judged_at", "bundle", "verdict", "cause", "answer", "answered_at")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("--since", type=since_s, default="3650d", help="how far back: 12h, 7d (default: all)")
    parser.add_argument("--out", type=Path, help="a CSV file, a line a verdict (default: to the terminal)")
    parser.add_argument("--answered", action="store_true", help="only verdicts that somebody answered")
    parser.add_argument("--reasons", action="store_true", help="with what people wrote: it may name patients")
    parser.add_argument("--precision", action="store_true", help="instead, a line a cause, scanner and protocol")


def run(options: argparse.Namespace) -> int:
    """Write the table, and tell the trail.

    Raises:
        ConfigError: no daemon has run with this configuration yet.
    """
    settings = load_settings(options.config)
    recorded = list_recorded(settings, time.time() - options.since)
    rows = list(_precision_rows(recorded) if options.precision else _rows(recorded, options))
    with open_existing(settings.database_url) as engine:
        entry = Entry(
            at=time.time(), who=getpass.getuser(), address="", deed=Deed.EXPORTED, subject=f"{len(rows) - 1} labels"
        )
        Audit(engine).note(entry)
    if options.out is None:
        csv.writer(sys.stdout).writerows(rows)
    else:
        with create(options.out) as raw, TextIOWrapper(raw, encoding="utf-8", newline="") as table:
            csv.writer(table).writerows(rows)
    return 0


def _rows(recorded: list[Recorded], options: argparse.Namespace) -> Iterator[tuple[Any, ...]]:
    scores = sorted({m.name for one in recorded if one.assessment for m in one.assessment.all_measures if not m.at})
    yield (*_COLUMNS, *(["reason"] if options.reasons else []), *scores)
    for one in recorded:
        if one.answer or not options.answered:
            yield _row(one, scores, reasons=options.reasons)


def _row(one: Recorded, scores: list[str], *, reasons: bool) -> tuple[Any, ...]:
    answer = one.answer
    found = {m.name: m.value for m in one.assessment.all_measures if not m.at} if one.assessment else {}
    return (
        one.card_id,
        one.scanner,
        one.protocol,
        one.judged_at,
        one.digest,
        one.verdict.state.value,
        one.verdict.cause or "",
        answer.choice.value if answer else "",
        answer.at if answer else "",
        *([answer.reason if answer else ""] if reasons else []),
        *(found.get(name, "") for name in scores),
    )


def _precision_rows(recorded: list[Recorded]) -> Iterator[tuple[Any, ...]]:
    yield ("cause", "scanner", "protocol", "rescans", "answered", "confirmed", "precision", "low", "high")
    for one in precisions(recorded):
        low, high = one.interval
        share = "" if one.share is None else f"{one.share:.3f}"
        yield (
            one.cause,
            one.scanner,
            one.protocol,
            one.asked,
            one.answered,
            one.confirmed,
            share,
            f"{low:.3f}",
            f"{high:.3f}",
        )
