"""Every benchmark starts by the command that it names, and the documents name options that there are."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))
COMMAND = re.compile(r"((?:\w+=\S+ )*)python benchmarks/(\w+\.py)((?: +[-\w./=]+)*)")


def commands(text):
    """Environment, benchmark and arguments of each command in a text."""
    return [
        (dict(part.split("=", 1) for part in before.split()), name, shlex.split(rest))
        for before, name, rest in COMMAND.findall(text)
    ]


DOCUMENTS = (ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
WRITTEN = [found for path in DOCUMENTS for found in commands(path.read_text())]


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_a_benchmark_starts_by_the_command_that_it_names_and_knows_the_options_that_are_written(path):
    own = [found for found in commands(path.read_text().partition('"""\n\n')[0]) if found[1] == path.name]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, f"benchmarks/{path.name}", "--help"]
    said = subprocess.run(
        command, cwd=ROOT, env=environment | own[0][0], capture_output=True, text=True, check=True
    ).stdout
    options = [word.partition("=")[0] for _, name, words in (*own, *WRITTEN) if name == path.name for word in words]

    assert [] == [option for option in options if option.startswith("--") and option not in said]
