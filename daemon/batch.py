"""scanside batch: the daemon's judgement of every series under a folder, resumable, as rows for people and programs.

Each answer is a line of a journal that is durable before the next series is read: killed anywhere, it goes on with the
first series that has no line. The tables are written anew from the journal at the end of every run.
"""

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from daemon.config import Settings
from daemon.core.errors import ConfigError
from daemon.edge.durable import write_whole
from daemon.offline import NIFTI, Appraisal, Appraiser, summarise

JOURNAL, ROWS, TABLE = "journal.jsonl", "rows.json", "rows.csv"
#: Columns of the table before those that the measures bring.
_FIRST = ("series", "path", "images", "verdict", "cause", "action", "reasons", "uncertainty", "rating")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One series on disk: its UID, or its path where it is no DICOM; ``path`` relative to the folder."""

    series: str
    path: str
    files: tuple[Path, ...]


def run_batch(options: argparse.Namespace, settings: Settings) -> str:
    """Judge what has no answer yet; what was done, in words.

    Raises:
        ConfigError: there is no series in the folder, or the journal is of another one.
    """
    series = find_series(options.folder)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = _read_journal(options.out / JOURNAL)
    answered = {row["series"] for row in rows}
    left = [found for found in series if found.series not in answered]
    appraiser = Appraiser(settings) if left else None
    with (options.out / JOURNAL).open("a", encoding="utf-8") as journal:
        for number, found in enumerate(left):
            _show(len(series) - len(left) + number, len(series))
            rows.append(_answer(found, lambda files: appraiser.appraise(files, options.scanner)))  # type: ignore[union-attr]
            _append(journal, rows[-1])
    _show(len(series), len(series))
    write_tables(rows, options.out)
    return f"{len(left)} series judged, {len(series) - len(left)} were before: {options.out / TABLE}"


def find_series(folder: Path) -> list[Found]:
    """Every series below a folder, in the order of its first file; what is neither DICOM nor NIfTI is passed over.

    Raises:
        ConfigError: there is none.
    """
    grouped: dict[str, list[Path]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder)) if path.name.endswith(NIFTI) else _series_uid(path)
        if name:
            grouped.setdefault(name, []).append(path)
    if not grouped:
        raise ConfigError(f"no series below {folder}: give a folder of DICOM or NIfTI files")
    return [
        Found(series=name, path=str(files[0].parent.relative_to(folder)), files=tuple(files))
        for name, files in grouped.items()
    ]


def write_tables(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """All rows as JSON, and as CSV with one column a number; the same journal gives the same bytes."""
    ordered = sorted(rows, key=lambda row: str(row["series"]))
    write_whole(out / ROWS, json.dumps(ordered, indent=1).encode())
    flat = [dict(_flatten(row)) for row in ordered]
    columns = list(dict.fromkeys([*_FIRST, *sorted({name for row in flat for name in row})]))
    partial = out / f"{TABLE}.part"
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
    partial.rename(out / TABLE)


def _answer(found: Found, appraise: Callable[[Sequence[Path]], Appraisal]) -> dict[str, Any]:
    try:
        appraisal = appraise(found.files)
    except (ConfigError, OSError) as error:  # one file that cannot be read must not end a night's work
        return {**_place(found), "verdict": "NOT_ASSESSED", "action": str(error)}
    return _place(found) | summarise(appraisal)


def _place(found: Found) -> dict[str, Any]:
    return {"series": found.series, "path": found.path, "images": len(found.files)}


def _series_uid(path: Path) -> str:
    """Of a DICOM file; empty where it is none."""
    try:
        header = dcmread(path, specific_tags=["SeriesInstanceUID"], stop_before_pixels=True)
        return str(header.get("SeriesInstanceUID") or "")
    except (InvalidDicomError, OSError, ValueError, EOFError, NotImplementedError):
        return ""


def _read_journal(path: Path) -> list[dict[str, Any]]:
    """Whole lines only: what a kill tore is cut off, and judged again."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    try:
        return [json.loads(line) for line in whole.splitlines()]
    except ValueError as error:
        raise ConfigError(f"{path} is no journal of ours: give another folder with --out") from error


def _append(journal: TextIO, row: Mapping[str, Any]) -> None:
    journal.write(json.dumps(row) + "\n")
    journal.flush()
    os.fsync(journal.fileno())


def _flatten(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Nested names joined by dots; lists by semicolons."""
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield prefix + name, "; ".join(map(str, value))
        else:
            yield prefix + name, value


def _show(done: int, total: int) -> None:
    """A bar, where somebody looks."""
    if sys.stderr.isatty():
        filled = 40 * done // total
        sys.stderr.write(f"\r[{'#' * filled}{'.' * (40 - filled)}] {done}/{total}{chr(10) if done == total else ''}")
        sys.stderr.flush()
