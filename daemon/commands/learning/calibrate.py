"""scanside calibrate: the site's own references, learnt from the series that were judged and accepted."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from daemon.commands.learning import artefacts, harm
from daemon.commands.learning.trying import Time, shown
from daemon.commands.option import within
from daemon.config import Settings, load_settings
from daemon.core.bounds import Range
from daemon.core.errors import ConfigError
from daemon.core.judging.reference import References, fewest, level_of
from daemon.core.people.calibration import ACCEPTED, Coverage, LeftOut, Scored, Selection, coverage, learn
from daemon.core.people.card import Answer
from daemon.core.values import State
from daemon.edge.database.answers import Answers
from daemon.edge.database.migrations import open_existing
from daemon.edge.database.results import Results
from daemon.edge.files.references import write_references
from models.bundle import load_bundle, read_manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was learnt, and the ``file`` that it belongs in.

    ``needed``: references that a cell must hold; ``unknown``: rejected UIDs of no judged series.
    """

    file: Path
    references: References
    coverage: tuple[Coverage, ...]
    left_out: Mapping[LeftOut, int]
    needed: int
    unknown: int


_ABOUT = """\
Learns what accepted series of each scanner and protocol look like, from the newest verdict of every complete series,
and writes it to storage/references-NAME.json, NAME being the bundle's; a running daemon takes it up with its next
series. A series is compared with
its own scanner and protocol where these hold enough series for an alarm to be possible at all, else with all of its
scanner, else with the bundle's own reference. Only scores of the configured bundle count. With rule = "iqr" under
[judgement] twelve series are enough (Tukey's fence), but the share of false alarms is then not fixed.

Series judged ACCEPT and REVIEW count, RESCAN and NOT_ASSESSED never. The answers on the page count more: a RESCAN that
was answered as a wrong call is a reference, and what was repeated, or could not be, is none, nor an ACCEPT that was
called wrong. Leaving REVIEW out (--accepted-only) drops what
was merely unusual, which tightens the limits at every calibration: do so only after people have looked. Better leave
out what they rejected (--exclude).

With --harm the newest of these series are spoilt by families of artefacts and judged again, each image by itself,
while nothing waits to be judged, and behind every other process; what the answer loses against that of the series as
it came needs no label and no person. The fit of each scanner and protocol, with its interval over series and families
left out, goes to storage/harm-NAME.json and tells the expected loss of the next series. Kill it when you like: what was
judged is not judged again, and the same command goes on; three series are the fewest that tell anything.

With --artefacts nothing is calibrated: series of every protocol's own past are spoilt in the same way, and what they
teach tells how artefacts look in that protocol, beside what is usual of it. It goes to storage/artefacts-any-mr.json;
twelve series that were acquired alike are the fewest.
"""
_HARM = "learn what images lose as well, in idle time (see below)"
_ARTEFACTS = "learn how artefacts look in each protocol, in idle time, and nothing else (see below)"
_MINUTES = "stop after so many, with --harm or --artefacts; the next call goes on (default: %(default)s)"
_SERIES = "of each scanner and protocol, the newest, with --harm or --artefacts (default: %(default)s)"
_IMAGES = "spoilt images of each series, with --harm or --artefacts (default: %(default)s)"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.description = _ABOUT
    parser.add_argument("--accepted-only", action="store_true", help="leave REVIEW out: tightens the limits every time")
    parser.add_argument("--exclude", type=Path, metavar="FILE", help="series UIDs that a person rejected, one a line")
    parser.add_argument("--bundle", default="", metavar="NAME", help="which one, where there are several")
    learning = parser.add_mutually_exclusive_group()
    learning.add_argument("--harm", action="store_true", help=_HARM)
    learning.add_argument("--artefacts", action="store_true", help=_ARTEFACTS)
    parser.add_argument("--minutes", type=within(Annotated[float, Range(1, 1440)]), default=60.0, help=_MINUTES)
    parser.add_argument("--series", type=within(Annotated[int, Range(3, 200)]), default=20, help=_SERIES)
    parser.add_argument("--images", type=within(Annotated[int, Range(4, 200)]), default=16, help=_IMAGES)
    parser.add_argument("--dry-run", action="store_true", help="show it, write nothing")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")


def run(options: argparse.Namespace) -> int:
    """Learn, write unless it is a dry run, and print what was learnt."""
    settings = load_settings(options.config)
    bounds = Time(minutes=0 if options.dry_run else options.minutes, series=options.series, images=options.images)
    if options.artefacts:
        rejected, write = read_rejected(options.exclude), not options.dry_run
        found = artefacts.learn_artefacts_of_site(settings, rejected, bounds, write=write)
        print(*artefacts.tell(found, settings), sep="\n")
        print(f"written: {found.file}" if found.cells and write else "written: nothing")
        return 0
    states = {State.ACCEPT} if options.accepted_only else ACCEPTED
    selection = Selection(states=states, rejected=read_rejected(options.exclude))
    calibration = calibrate(settings, selection, write=not options.dry_run, bundle_name=options.bundle)
    if options.json:
        print(json.dumps(summarise(calibration, settings), indent=1))
    else:
        print(*tabulate(calibration, settings.scanners), sep="\n")
        print("written: nothing" if options.dry_run else f"written: {calibration.file}")
    if options.harm and not options.dry_run:
        learnt = harm.learn_harm_of_site(settings, options.bundle or _only(settings), selection, bounds)
        print(*harm.tell(learnt, settings), sep="\n", file=sys.stderr if options.json else sys.stdout)
    return 0


def calibrate(settings: Settings, selection: Selection, *, write: bool, bundle_name: str = "") -> Calibration:
    """Learn the references of one of the configured bundles, and write them unless told not to.

    Raises:
        ConfigError: no daemon has run with this configuration yet, there is no such bundle or it compares nothing, or
            the file cannot be written.
        BundleError: the bundle cannot be used.
    """
    bundle_name = bundle_name or _only(settings)
    if bundle_name not in settings.bundle_folders:
        raise ConfigError(f"no bundle '{bundle_name}' is configured: write one of {', '.join(settings.bundle_folders)}")
    bundle = load_bundle(settings.bundle_folders[bundle_name])
    manifest = bundle.manifest
    if manifest.past is not None:
        raise ConfigError(f"'{bundle_name}' learns from what it accepts: there is nothing to calibrate but --artefacts")
    if not manifest.compared:
        raise ConfigError("the bundle compares no score with a reference: there is nothing to calibrate")
    series = _judged(settings)
    references, left_out = learn(series, manifest, bundle.digest, selection, time.time())
    if write:
        write_references(settings.references_of(bundle_name), references)
    return Calibration(
        file=settings.references_of(bundle_name),
        references=references,
        coverage=coverage(references, manifest, settings.judgement.rule),
        left_out=left_out,
        needed=fewest(level_of(manifest), settings.judgement.rule),
        unknown=len(set(selection.rejected) - {one.series_instance_uid for one in series}),
    )


def _only(settings: Settings) -> str:
    """The bundle of an installation that has one, beside those that learn by themselves."""
    folders = settings.bundle_folders
    names = [name for name, folder in folders.items() if read_manifest(folder).past is None]
    if len(names) != 1:
        raise ConfigError(f"say which bundle with --bundle: {', '.join(names) or 'none is configured'}")
    return names[0]


def read_rejected(path: Path | None) -> frozenset[str]:
    """The series UIDs of a file, one a line; ``#`` begins a comment.

    Raises:
        ConfigError: the file cannot be read.
    """
    if path is None:
        return frozenset()
    try:
        lines = path.read_text().splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: give a text file of series UIDs, one a line") from error
    return frozenset(line.partition("#")[0].strip() for line in lines) - {""}


def tabulate(calibration: Calibration, scanners: Mapping[str, str]) -> Iterator[str]:
    """The calibration for people: one line a cell, then what was left out. ``scanners``: AE title -> alias."""
    rows = [("scanner", "protocol", "series", "false alarms from", "compared with")]
    for cell in calibration.coverage:
        rate = "-" if cell.smallest_rate is None else f"{cell.smallest_rate:.1%}"
        protocol = shown(cell.protocol)
        rows.append((_alias(cell, scanners), protocol, str(cell.count), rate, _comparison(cell)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(field.ljust(width) for field, width in zip(row, widths, strict=True)).rstrip()
    if not calibration.coverage:
        yield "no accepted series of this bundle yet: the bundle's own reference is used"
    for reason, count in sorted(calibration.left_out.items()):
        yield f"left out: {count} ({reason})"
    if calibration.unknown:
        yield f"rejected, but no judged series: {calibration.unknown}; check the UIDs"


def summarise(calibration: Calibration, settings: Settings) -> dict[str, Any]:
    """The calibration as plain JSON values."""
    return {
        "file": str(calibration.file),
        "bundle": calibration.references.bundle,
        "made_at": calibration.references.made_at,
        "needed": calibration.needed,
        "cells": [
            {
                "scanner": _alias(cell, settings.scanners),
                "calling_ae": cell.scanner,
                "protocol": cell.protocol,
                "series": cell.count,
                "smallest_false_alarm_rate": cell.smallest_rate,
                "used": cell.used_by == "protocol",
                "compared_with": cell.used_by,
                "missing": cell.missing,
                "scanner_missing": cell.scanner_missing,
            }
            for cell in calibration.coverage
        ],
        "left_out": {reason.name.lower(): calibration.left_out.get(reason, 0) for reason in LeftOut},
        "unknown": calibration.unknown,
    }


def _judged(settings: Settings) -> list[Scored]:
    """What was judged, with what a person answered to the verdict that holds."""
    with open_existing(settings.database_url) as engine:
        answers = Answers(engine).choices()
        return [_answered(one, answers.get(one.series_instance_uid)) for one in Results(engine).scored()]


def _answered(one: Scored, answer: Answer | None) -> Scored:
    return replace(one, choice=answer.choice) if answer and answer.state is one.state else one


def _alias(cell: Coverage, scanners: Mapping[str, str]) -> str:
    return scanners.get(cell.scanner, cell.scanner)


def _comparison(cell: Coverage) -> str:
    if cell.used_by == "protocol":
        return "used"
    if cell.used_by == "scanner":
        return f"all protocols of the scanner; {cell.missing} more needed"
    return f"the bundle's own; {cell.missing} more needed, {cell.scanner_missing} more of the scanner"
