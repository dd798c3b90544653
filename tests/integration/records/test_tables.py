"""Rows as JSON, CSV and Parquet: each read back by a reader that is not ours, and equal."""

import csv
import json
import subprocess
import sys

import pyarrow as pa
import pytest
from pyarrow import parquet

from daemon.core.errors import ConfigError
from daemon.edge.files.tables import write_tables

ROWS = [
    {"series": "1.2", "images": 12, "verdict": "NOT_ASSESSED", "cause": None, "reasons": ["flat"], "uncertainty": None},
    {
        "series": "1.3",
        "path": "a, b",
        "images": 3,
        "verdict": "ACCEPT",
        "cause": None,
        "action": 'say "go"\non',
        "reasons": [],
        "uncertainty": 0.25,
        "rating": 50,
        "intervals_ml": {"grey matter": [1.5, None]},
        "measures": {"blur": {"value": 1, "p": None, "abnormal": False}},
    },
    {"series": "1.4 ä", "images": 1, "measures": {"blur": {"value": 0.5, "p": None, "abnormal": True}}},
]


def written(out, rows, **options):
    write_tables(lambda: iter(rows), out, **options)
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_every_table_reads_back_with_its_types(tmp_path):
    files = written(tmp_path, ROWS, parquet=True)
    table = parquet.read_table(tmp_path / "rows.parquet")
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))

    assert {"rows.json", "rows.csv", "rows.parquet"} == set(files)
    assert ROWS == json.loads(files["rows.json"])
    assert ["1.2", "1.3", "1.4 ä"] == [line["series"] for line in lines] == table["series"].to_pylist()
    assert ("", "0.25", 'say "go"\non') == (lines[0]["uncertainty"], lines[1]["uncertainty"], lines[1]["action"])
    assert [None, 0.25, None] == table["uncertainty"].to_pylist()
    assert [None, 1.0, 0.5] == table["measures.blur.value"].to_pylist()
    assert [None, [1.5, None], None] == table["intervals_ml.grey matter"].to_pylist()
    assert [["flat"], [], None] == table["reasons"].to_pylist()
    kinds = {name: table.schema.field(name).type for name in table.column_names}
    assert {pa.int64()} == {kinds["images"], kinds["rating"]}
    assert {pa.float64()} == {kinds["uncertainty"], kinds["measures.blur.value"], kinds["measures.blur.p"]}
    assert (pa.bool_(), pa.string()) == (kinds["measures.blur.abnormal"], kinds["cause"])
    assert [field for field in lines[0] if field] == table.column_names


def test_a_table_has_the_worst_place_of_a_signal_and_json_all_of_them(tmp_path):
    worst = {"value": 7.0, "place": "volume 17"}
    row = {
        "series": "1",
        "measures": {"spikes": worst},
        "places": {"spikes": [worst, {"value": 1.0, "place": "volume 2"}]},
    }
    files = written(tmp_path, [row], parquet=True)
    (line,) = csv.DictReader(files["rows.csv"].decode().splitlines())

    assert [row] == json.loads(files["rows.json"])
    assert {"series": "1", "measures.spikes.value": "7.0", "measures.spikes.place": "volume 17"} == {
        name: value for name, value in line.items() if value
    }
    assert ["volume 17"] == parquet.read_table(tmp_path / "rows.parquet")["measures.spikes.place"].to_pylist()


def test_many_rows_make_one_table_whatever_the_first_ones_lack(tmp_path):
    rows = [{"series": f"{n:05}", "images": n, "measures": {"m": None if n < 2500 else n / 2}} for n in range(3000)]
    written(tmp_path, rows, parquet=True)
    table = parquet.read_table(tmp_path / "rows.parquet")

    assert [row["measures"]["m"] for row in rows] == table["measures.m"].to_pylist()
    assert [0.0] * 10 == [row["images"] - index for index, row in enumerate(table.slice(0, 10).to_pylist())]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_text_of_the_csv_begins_as_a_formula_and_numbers_stay_numbers(tmp_path, first):
    formula = f"{first}cmd|'/c calc'!A0"
    row = {"series": formula, "path": formula, "reasons": [formula, "flat"], "uncertainty": -0.5, formula: formula}
    files = written(tmp_path, [row])
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        head, line = csv.reader(file)

    assert {f"'{formula}", f"'{formula}; flat"} == {text for text in line if "cmd" in text}
    assert f"'{formula}" in head
    assert "-0.5" in line
    assert [row] == json.loads(files["rows.json"])


def test_the_same_rows_give_the_same_bytes_and_none_still_a_table(tmp_path):
    assert written(tmp_path, ROWS, parquet=True) == written(tmp_path, ROWS, parquet=True)
    assert b"series,path,images" in written(tmp_path, [])["rows.csv"]


def test_a_table_that_cannot_be_written_leaves_the_one_before(tmp_path):
    before = written(tmp_path, ROWS)

    with pytest.raises(TypeError):
        written(tmp_path, [*ROWS, {"series": object()}])
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_parquet_without_its_library_is_said_before_the_work(tmp_path):
    (tmp_path / "cohort").mkdir()
    arguments = ["batch", str(tmp_path / "cohort"), "--out", str(tmp_path / "out"), "--parquet"]
    code = f"import sys; sys.modules['pyarrow'] = None; from daemon.__main__ import main; sys.exit(main({arguments}))"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (1, True) == (finished.returncode, "scanside[parquet]" in finished.stderr)
    assert ConfigError.__name__ not in finished.stderr
    assert not (tmp_path / "out").exists()
