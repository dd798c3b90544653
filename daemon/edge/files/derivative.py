"""A cohort's answers as a BIDS derivative (Brain Imaging Data Structure 1.10, "Derivatives"), as MRIQC lays it out.

A sidecar a series, a table with its data dictionary for each suffix, and a page of all for people (``cohort_page``).
Measures have MRIQC's names. Each series is compared with the others of its suffix and grid: how far it lies from them,
and how many series like them lie as far.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Final

from daemon.core.bids import BidsName, names_of
from daemon.core.judging.outliers import beside_others
from daemon.edge.database.cohorts import Row
from daemon.edge.durable import taking_place
from daemon.edge.files.tables import MEASURED, ReadRows
from models.manifest import Manifest, SignalEntry
from models.statistics.reference_set import Comparison, Learning

FOLDER: Final = "bids"
FIGURES: Final = "figures"
_VERSION: Final = "1.10.0"
_README: Final = """Image quality measures of a data set, made by Scanside.

sub-*/**/*.json: the measures of each series, by the names of MRIQC where it has them; regions of body and air are
Scanside's own, so that numbers compare with others of this software only. group_*.tsv: the same as tables, a line a
series, with their columns explained in group_*.json. cohort.html: all series as pictures, sorted by any measure.
The pictures show the images: they are as confidential as those.
"""
#: What the standard writes where there is no number.
_MISSING: Final = "n/a"

#: Size and spacing of the image, then what every table has beside its measures.
_GRID: Final = {
    **{f"size_{axis}": f"Number of voxels along {axis}" for axis in "xyz"},
    "size_t": "Number of volumes",
    **{f"spacing_{axis}": f"Distance of voxels along {axis}" for axis in "xyz"},
}
_COMPARED: Final = {
    "deviation": "Distance from the other series of this suffix and grid, in robust standard deviations",
    "p_value": "Share of series like the others that lie as far from them",
    "compared_with": "Number of other series of this suffix and grid",
}
_ANSWERED: Final = {"verdict": "Verdict of the bundle that judged the series", "cause": "What it is put down to"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One series of the cohort: what it is called, what was measured of it, and how it lies to its like."""

    name: BidsName
    row: Row
    measures: Mapping[str, float | None]
    compared: Comparison | Learning

    @property
    def columns(self) -> dict[str, Any]:
        """What the table says of it, without a measure that it does not have."""
        found = self.compared
        far = None if isinstance(found, Learning) or not isfinite(found.distance) else found.distance
        beside = {} if isinstance(found, Learning) else {"deviation": far, "p_value": found.p_value}
        held = found.held if isinstance(found, Learning) else found.count
        return {**self.measures, **beside, "compared_with": held, **{key: self.row.get(key) for key in _ANSWERED}}


def write_derivative(read_rows: ReadRows, out: Path, manifest: Manifest, version: str) -> list[Entry]:
    """Write the derivative of a cohort to ``out``; its series, as the tables have them.

    ``manifest``: of the bundle that measures any image; ``version``: of this software. The same rows give the same
    bytes. All rows are held at once.
    """
    entries = _entries(list(read_rows()), manifest)
    _write_json(out / "dataset_description.json", _description(manifest, version))
    _write(out / "README", _README)
    _write(out / ".bidsignore", f"*.html\n{FIGURES}\n{FIGURES}/**\ngroup_*\nsub-*/**/*.json\n")
    for entry in entries:
        folder = out / entry.name.folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_json(folder / f"{entry.name.stem}.json", _sidecar(entry, manifest, version))
    for suffix in dict.fromkeys(entry.name.suffix for entry in entries):
        group = [entry for entry in entries if entry.name.suffix == suffix]
        columns = [name for name in _dictionary(manifest) if any(name in entry.columns for entry in group)]
        _write_table(out / f"group_{suffix}.tsv", columns, group)
        _write_json(out / f"group_{suffix}.json", {name: _dictionary(manifest)[name] for name in columns})
    return entries


def _entries(rows: Sequence[Row], manifest: Manifest) -> list[Entry]:
    """The series that were measured, in order, each beside its like."""
    named = zip(names_of(str(row["series"]) for row in rows), rows, strict=True)
    known = [(name, row, row[MEASURED]) for name, row in named if row.get(MEASURED)]
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, (name, _, measures) in enumerate(known):
        alike[(name.suffix, *(measures.get(side) for side in _GRID if side != "size_t"))].append(place)
    compared: dict[int, Comparison | Learning] = {}
    for places in alike.values():
        compared |= dict(zip(places, _compared([known[place][2] for place in places], manifest), strict=True))
    return [
        Entry(name=name, row=row, measures=measures, compared=compared[place])
        for place, (name, row, measures) in enumerate(known)
    ]


def _compared(group: Sequence[Mapping[str, float | None]], manifest: Manifest) -> Iterator[Comparison | Learning]:
    numbers = [{name: value for name, value in one.items() if value is not None} for one in group]
    if manifest.past is None:
        return iter([Learning(0)] * len(group))
    return beside_others(numbers, manifest.past)


def _description(manifest: Manifest, version: str) -> dict[str, Any]:
    measured = {"Name": f"bundle {manifest.name}", "Version": manifest.version}
    return {
        "Name": "Image quality measures",
        "BIDSVersion": _VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "Scanside", "Version": version}, measured],
    }


def _sidecar(entry: Entry, manifest: Manifest, version: str) -> dict[str, Any]:
    """As MRIQC has it: the measures, what the name says, and who measured."""
    entities = dict(part.split("-", 1) for part in entry.name.entities.split("_"))
    software = {"software": "scanside", "version": version, "bundle": manifest.name, "bundle_version": manifest.version}
    answer = {key: entry.row.get(key) for key in ("verdict", "cause", "action", "reasons")}
    return {
        **{name: value for name, value in entry.columns.items() if name not in _ANSWERED},
        "bids_meta": {"suffix": entry.name.suffix, "datatype": entry.name.datatype, **entities},
        "provenance": {**software, "source": entry.row["series"]},
        "answer": answer,
    }


def _dictionary(manifest: Manifest) -> dict[str, dict[str, str]]:
    """What each column means, in the order of the columns."""
    grid = {name: {"Description": text, "Units": _unit_of_grid(name)} for name, text in _GRID.items()}
    measures = {name: _told(entry) for name, entry in manifest.signals.items() if name not in _COMPARED}
    others = {name: {"Description": text} for name, text in (_COMPARED | _ANSWERED).items()}
    return grid | measures | others


def _unit_of_grid(name: str) -> str:
    return "mm" if name.startswith("spacing") else "1"


def _told(entry: SignalEntry) -> dict[str, str]:
    meaning = entry.code.meaning if entry.code else ""
    return {"Description": meaning, "Units": entry.unit}


def _write_table(path: Path, columns: Sequence[str], group: Sequence[Entry]) -> None:
    with taking_place(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["bids_name", *columns])
        for entry in group:
            told = entry.columns
            writer.writerow([entry.name.stem, *(_cell(told.get(name)) for name in columns)])


def _cell(value: object) -> object:
    return _MISSING if value is None or value == "" else f"{value:.6g}" if isinstance(value, float) else value


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    _write(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def _write(path: Path, text: str) -> None:
    with taking_place(path) as partial:
        partial.write_text(text, encoding="utf-8")
