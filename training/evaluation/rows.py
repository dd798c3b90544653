"""The rows of an evaluation as CSV and back: tables and figures can be drawn again without judging again."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from training.evaluation.measure import BINS, Bin, Row
from training.synthesis.labelmaps import TISSUES

_ENDS = ("low", "point", "high")


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Every row with every number; a cell is empty where a row has no such number."""
    cells = [dict(_cells(row)) for row in rows]
    columns = list(dict.fromkeys(column for row in cells for column in row))
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, columns, restval="")
        table.writeheader()
        for row in cells:
            table.writerow({name: value if isinstance(value, str) else f"{value:.7g}" for name, value in row.items()})


def read_rows(path: Path) -> list[Row]:
    """The rows that ``write_rows`` wrote."""
    with path.open(newline="") as file:
        return [_row(cells) for cells in csv.DictReader(file)]


def _cells(row: Row) -> Iterator[tuple[str, str | float]]:
    yield "name", row.name
    yield "setting", row.setting
    groups = {"severity": row.severity, "dice": row.dice, "score": row.scores, "cause": row.causes}
    for group, values in (groups | {"true": row.true_volumes_ml}).items():
        yield from ((f"{group}:{name}", value) for name, value in values.items())
    for tissue, ends in row.volumes.items():
        yield from ((f"volume:{tissue}:{end}", value) for end, value in zip(_ENDS, ends, strict=True))
    for tissue, bins in row.reliability.items():
        for number, found in enumerate(bins):
            yield f"voxels:{tissue}:{number}", found.voxels
            yield f"confidence:{tissue}:{number}", found.confidence
            yield f"right:{tissue}:{number}", found.right


def _row(cells: Mapping[str, str]) -> Row:
    numbers = {name: float(value) for name, value in cells.items() if value and name not in ("name", "setting")}
    tissues = TISSUES[1:]
    return Row(
        name=cells["name"],
        setting=cells["setting"],
        severity=_group(numbers, "severity"),
        dice=_group(numbers, "dice"),
        scores=_group(numbers, "score"),
        causes=_group(numbers, "cause"),
        true_volumes_ml=_group(numbers, "true"),
        volumes={t: _interval(numbers, t) for t in tissues if f"volume:{t}:point" in numbers},
        reliability={t: _bins(numbers, t) for t in tissues if f"voxels:{t}:0" in numbers},
    )


def _group(numbers: Mapping[str, float], group: str) -> dict[str, float]:
    return {name.removeprefix(f"{group}:"): value for name, value in numbers.items() if name.startswith(f"{group}:")}


def _interval(numbers: Mapping[str, float], tissue: str) -> tuple[float, float, float]:
    low, point, high = (numbers[f"volume:{tissue}:{end}"] for end in _ENDS)
    return low, point, high


def _bins(numbers: Mapping[str, float], tissue: str) -> tuple[Bin, ...]:
    return tuple(
        Bin(
            voxels=numbers[f"voxels:{tissue}:{n}"],
            confidence=numbers[f"confidence:{tissue}:{n}"],
            right=numbers[f"right:{tissue}:{n}"],
        )
        for n in range(BINS)
    )
