"""The table of judged images: a row an image, written head by head; what was done to it, and its numbers."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from models.physics.spectrum import describe, named
from training.harm.drawing import Drawing, Spoilt, images_of
from training.truth import Truth

#: Beginnings of the columns that no regression reads.
HARM, DICE, RIVAL, FACT = "harm:", "dice:", "rival:", "fact:"

Cells = Mapping[str, str | float]
_Head = TypeVar("_Head")


def write_rows(
    out: Path, heads: Iterable[tuple[str, Callable[[], _Head]]], rows_of: Callable[[_Head, int], Iterator[Cells]]
) -> Path:
    """``out``/images.csv with the rows of each named head, in their order; what is there already is not made again."""
    out.mkdir(parents=True, exist_ok=True)
    table = out / "images.csv"
    known = {row["head"] for row in read_rows(table)} if table.exists() else set()
    for number, (name, head) in enumerate(heads):
        if name not in known:
            rows = [{"head": name, **row} for row in rows_of(head(), number)]
            if rows:
                append_rows(table, rows)
            print(f"{name}: {len(rows)} images", flush=True)
    return table


def read_rows(table: Path) -> list[dict[str, str]]:
    """The rows of a table."""
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def append_rows(table: Path, rows: Sequence[Cells]) -> None:
    """Rows at the end of a table, which may not be there yet."""
    text = [{name: v if isinstance(v, str) else f"{v:.7g}" for name, v in row.items()} for row in rows]
    new = not table.exists()
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        if new:
            writer.writeheader()
        writer.writerows(text)


def done_to(person: str, spoilt: Spoilt) -> Cells:
    """Whose image it is, and what was done to it."""
    return {
        "person": person,
        "style": spoilt.origin.setting,
        "artefact": spoilt.artefact,
        "family": spoilt.family,
        "severity": spoilt.severity,
    }


def rows_by_severity(head: Truth, drawing: Drawing, tissue: str, number: int) -> Iterator[Cells]:
    """The rows of a head that no network judges: severity for its harm, the spectrum for its numbers."""
    for spoilt in images_of(head, drawing, number):
        harm = {f"{HARM}{tissue}": spoilt.severity, f"{DICE}{tissue}": float("nan")}
        yield {**done_to(head.name, spoilt), **harm, **named(describe(spoilt.image.voxels, spoilt.image.affine))}
