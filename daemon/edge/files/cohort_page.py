"""A cohort as one page for people: its series as pictures, sorted by any measure, the most unusual first."""

import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from daemon.core.bids import token
from daemon.edge.durable import taking_place
from daemon.edge.files.derivative import FIGURES, Entry
from models.past import Past
from models.statistics.reference_set import USUAL, Deviation, Learning

PAGE: Final = "cohort.html"
_PLACE: Final = "@COHORT@"
#: So many measures are said to be unusual.
_NAMED: Final = 3


def write_page(entries: Sequence[Entry], out: Path, past: Past, version: str) -> None:
    """Write the page of a derivative, which needs nothing but its pictures; the same series give the same bytes."""
    names = {name: None for entry in entries for name, value in entry.columns.items() if isinstance(value, float)}
    measures = list(dict.fromkeys((past.deviation, *(name for name in past.signals if name in names), *names)))
    content = {
        "version": version,
        "measures": measures,
        "series": [_series(entry, measures, out, past) for entry in entries],
    }
    told = json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")  # ends no script element
    template = files("daemon.edge.files").joinpath("cohort_page.html").read_text(encoding="utf-8")
    with taking_place(out / PAGE) as partial:
        partial.write_text(template.replace(_PLACE, told), encoding="utf-8")


def _series(entry: Entry, measures: Sequence[str], out: Path, past: Past) -> dict[str, Any]:
    figure, columns = f"{FIGURES}/{token(str(entry.row['series']))}.jpg", entry.columns
    return {
        "name": entry.name.stem,
        "suffix": entry.name.suffix,
        "figure": figure if (out / figure).exists() else "",
        "verdict": str(entry.row["verdict"]),
        "action": str(entry.row["action"]),
        "p_value": columns.get("p_value"),
        "compared_with": columns["compared_with"],
        "unusual": list(_unusual(entry, past)),
        "values": {name: columns.get(name) for name in measures},
    }


def _unusual(entry: Entry, past: Past) -> Iterator[str]:
    """The measures that are out of their usual range among the others, such as "background 3.1, usually 0.9 to 1.2"."""
    if isinstance(entry.compared, Learning):
        return
    for one in [one for one in entry.compared.deviations if one.score > USUAL][:_NAMED]:
        yield _said(one, past)


def _said(one: Deviation, past: Past) -> str:
    return f"{past.signals[one.name].word} {one.value:.3g}, usually {one.low:.3g} to {one.high:.3g}"
