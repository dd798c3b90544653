"""Nothing that could name a patient reaches standard error, by whatever road it comes."""

import json
import subprocess
import sys
from pathlib import Path

import builders.running.leaks
import pytest

from daemon.core.errors import ConfigError
from daemon.core.tokens import token
from daemon.edge.telemetry import logs

ROOT = Path(__file__).parents[3]


def streams(mode: str) -> dict[str, str]:
    """What each leak wrote to the standard streams of a process of its own, in the given mode."""
    done = subprocess.run(
        [sys.executable, "-P", builders.running.leaks.__file__, mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "NO_COLOR": "1", "COLUMNS": "400"},
    )
    blocks = done.stdout.split("@@@ ")
    return {name: text for name, _, text in (block.partition("\n") for block in blocks[1:])}


@pytest.fixture(scope="module")
def configured() -> dict[str, str]:
    return streams("configured")


@pytest.fixture(scope="module")
def bare() -> dict[str, str]:
    return streams("bare")


@pytest.mark.parametrize("leak", [leak.__name__ for leak in builders.running.leaks.LEAKS])
def test_no_planted_string_reaches_the_stream(configured: dict[str, str], leak: str) -> None:
    assert [] == [planted for planted in builders.running.leaks.PLANTED if planted in configured[leak]]


@pytest.mark.parametrize("leak", [leak.__name__ for leak in builders.running.leaks.LEAKS])
def test_every_leak_is_told_of_as_json_with_time_level_and_event(configured: dict[str, str], leak: str) -> None:
    records = [json.loads(line) for line in configured[leak].splitlines()]

    assert 1 <= len(records)
    assert all(["timestamp", "level", "event"] == list(record)[:3] for record in records)
    assert all(record["timestamp"].endswith("Z") for record in records)


@pytest.mark.parametrize("leak", [leak.__name__ for leak in builders.running.leaks.LEAKS])
def test_without_the_configuration_every_leak_is_real(bare: dict[str, str], leak: str) -> None:
    """If this fails, the leak proves nothing any more: a library has changed, so plant another one."""
    assert [] != [planted for planted in builders.running.leaks.PLANTED if planted in bare[leak]]


def test_an_error_keeps_its_type_its_place_and_the_way_through_our_code(configured: dict[str, str]) -> None:
    record = json.loads(configured["pydicom_error"])

    assert "ValueError" == record["error"]
    assert "TypeError" == record["caused_by"]
    assert record["at"].startswith("pydicom/valuerep.py:")
    assert record["trace"].startswith("__main__:")


def test_a_uid_becomes_the_token_under_the_sites_key(configured: dict[str, str]) -> None:
    record = json.loads(configured["fields"])

    expected = token(builders.running.leaks.SERIES_UID, builders.running.leaks.SITE_KEY)
    assert {expected} == {record["series"], record["instance"], record["detail"].removeprefix("see ")}


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigError, match="info, warning"):
        logs.configure("chatty", builders.running.leaks.SITE_KEY)


def test_a_guessable_site_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="openssl rand"):
        logs.configure("info", b"short")


def run(program: str) -> list[dict[str, str]]:
    """The records that a small program logs in a process of its own."""
    preamble = "import structlog, warnings\nfrom daemon.edge.telemetry import logs\n"
    done = subprocess.run(
        [sys.executable, "-c", preamble + program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_events_below_the_level_are_not_written() -> None:
    program = """
logs.configure("warning", b"k" * 32)
log = structlog.get_logger()
log.debug("one"); log.info("two"); log.warning("three"); log.error("four"); log.exception("five")
"""
    assert ["three", "four", "five"] == [record["event"] for record in run(program)]


def test_a_warning_with_ever_new_words_is_told_once_for_its_place_and_not_remembered() -> None:
    program = """
logs.configure("info", b"k" * 32)
for number in range(50):
    warnings.warn(f"patient {number}")
assert 1 >= len(globals().get("__warningregistry__", {}))
"""
    assert ["library warning"] == [record["event"] for record in run(program)]
