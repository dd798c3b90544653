"""Whoever reads the log may hang or be gone: nobody waits for it, and what was dropped is counted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = 20_000
PROGRAM = f"""
import logging, os, structlog, sys
from daemon.edge.telemetry import logs

logs.configure("info", b"k" * 32)
for number in range({LINES}):
    structlog.get_logger().info("said", attempt=number)
logging.getLogger("library").error("this too")
os.write(1, b"done")
sys.stdin.read()
structlog.get_logger().info("last")
"""


def start(stderr: int, close: str = "") -> subprocess.Popen[bytes]:
    shell = ["bash", "-c", f'exec "$0" -c "$1" {close}', sys.executable, PROGRAM]
    return subprocess.Popen(
        shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, cwd=ROOT, env={"PATH": "/usr/bin:/bin"}
    )


def test_a_reader_that_hangs_holds_up_nobody_and_what_it_missed_is_counted():
    reading, writing = os.pipe()
    with start(writing) as process:
        os.close(writing)
        assert b"done" == process.stdout.read(4)
        with os.fdopen(reading) as reader:
            process.stdin.close()
            records = [json.loads(line) for line in reader]
        assert 0 == process.wait(120)
    dropped = [record["lines"] for record in records if record["event"] == "log_lines_dropped"]

    assert dropped
    assert LINES + 2 == sum(dropped) + sum(record["event"] != "log_lines_dropped" for record in records)


@pytest.mark.parametrize("close", ["", "2>&-"], ids=["the reader is gone", "there is none"])
def test_a_process_that_nobody_can_hear_works(close):
    reading, writing = os.pipe()
    os.close(reading)
    with start(writing, close) as process:
        os.close(writing)
        assert b"done" == process.stdout.read(4)
        process.stdin.close()
        assert 0 == process.wait(120)
