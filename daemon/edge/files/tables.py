"""Rows to files for people and programs: JSON as it is, CSV and Parquet with one column a number.

Rows are gone through twice, first for the columns, and never held together: a cohort may have any number of them.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from daemon.core.errors import ConfigError
from daemon.edge.database.cohorts import Row
from daemon.edge.durable import taking_place

JSON, CSV, PARQUET = "rows.json", "rows.csv", "rows.parquet"

#: What a row says of single volumes, slices ...: for JSON alone; a table has the worst of each signal, and its place.
PLACES: Final = "places"

#: What a row says of the image by MRIQC's names, whichever bundle judged it.
MEASURED: Final = "image_quality"

ReadRows = Callable[[], Iterator[Row]]

#: Columns that are there whatever was found, in this order, before those that the measures bring; and their types as
#: Parquet has them (a column of nothing but nulls says nothing of its type).
_FIRST: Final = {
    "series": "string",
    "path": "string",
    "images": "int64",
    "verdict": "string",
    "cause": "string",
    "action": "string",
    "reasons": "list",
    "uncertainty": "float64",
    "rating": "int64",
}
_ROW_GROUP: Final = 1000
#: Full-width signs too: some spreadsheets take them for the ASCII ones.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def check_parquet() -> None:
    """Whether Parquet can be written, before a night's work rather than after it.

    Raises:
        ConfigError: what writes it is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415 - an extra: 170 MB on disk
    except ImportError as error:
        raise ConfigError("Parquet needs pyarrow: pip install 'scanside[parquet]', or leave --parquet out") from error


def write_tables(rows: ReadRows, out: Path, *, parquet: bool = False) -> None:
    """Write all tables; the same rows give the same bytes, and each file is there whole or as it was before."""
    _write_json(rows, out / JSON)
    columns = list(dict.fromkeys([*_FIRST, *sorted({name for row in rows() for name in _flat(row)})]))
    _write_csv(rows, columns, out / CSV)
    if parquet:
        _write_parquet(rows, columns, out / PARQUET)


def _write_json(rows: ReadRows, path: Path) -> None:
    with taking_place(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write("[")
        for number, row in enumerate(rows()):
            file.write(",\n" if number else "\n")
            file.write(json.dumps(row, indent=1))
        file.write("\n]\n")


def _write_csv(rows: ReadRows, columns: list[str], path: Path) -> None:
    """Lists are joined by semicolons; what is missing is empty; a text that a spreadsheet would compute is quoted."""
    with taking_place(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)  # lines end as RFC 4180 has it: only then is a lone CR quoted
        writer.writerow({name: _plain(name) for name in columns})
        writer.writerows({name: _plain(_joined(value)) for name, value in _flat(row).items()} for row in rows())


def _write_parquet(rows: ReadRows, columns: list[str], path: Path) -> None:
    """Numbers as numbers, lists as lists, what is missing as null."""
    import pyarrow as pa  # noqa: PLC0415 - see check_parquet
    from pyarrow import parquet  # noqa: PLC0415

    def tables() -> Iterator[Any]:
        waiting = rows()
        while chunk := [_flat(row) for row in islice(waiting, _ROW_GROUP)]:
            yield pa.table({name: [row.get(name) for row in chunk] for name in columns})

    texts = pa.list_(pa.string())
    first = pa.schema([(name, texts if kind == "list" else pa.type_for_alias(kind)) for name, kind in _FIRST.items()])
    found = pa.unify_schemas([first, *(table.schema for table in tables())], promote_options="permissive")
    # a measure that no series has is a number all the same
    schema = pa.schema([f.with_type(pa.float64()) if pa.types.is_null(f.type) else f for f in found])
    with taking_place(path) as partial, parquet.ParquetWriter(partial, schema) as writer:
        for table in tables():
            writer.write_table(table.cast(schema))


def _flat(row: Row, prefix: str = "") -> dict[str, Any]:
    """Nested names joined by dots."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name == PLACES:
            continue
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def _plain(value: object) -> object:
    """A text is a formula to a spreadsheet by its first letter; an apostrophe in front keeps it a text (OWASP)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _joined(value: object) -> object:
    return "; ".join(map(str, value)) if isinstance(value, list) else value
