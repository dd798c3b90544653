"""Every benchmark starts by the command that it names, and the documents name options that there are."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))
COMMAND = re.compile(r"((?:\w+=\S+ )*)python (benchmarks/\w+/\w+\.py)((?: +[-\w./=]+)*)")


def commands(text):
    """Environment, benchmark and arguments of each command in a text."""
    return [
        (dict(part.split("=", 1) for part in before.split()), name, shlex.split(rest))
        for before, name, rest in COMMAND.findall(text)
    ]


DOCUMENTS = (ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
WRITTEN = [found for path in DOCUMENTS for found in commands(path.read_text())]


#: Prints what each benchmark says of itself: in one process, for most import the same large libraries.
_HELP = """
import contextlib, io, json, os, runpy, sys
paths, said = sys.argv[1:], {}
for path in paths:
    sys.path[0] = os.path.dirname(path)
    sys.argv = [path, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.suppress(SystemExit):
        runpy.run_path(path, run_name="__main__")
    said[path] = text.getvalue()
print(json.dumps(said))
"""


def named(path):
    """A benchmark as commands name it."""
    return str(path.relative_to(ROOT))


def own_commands(path):
    """The commands of itself that a benchmark begins with."""
    return [found for found in commands(path.read_text().partition('"""\n\n')[0]) if found[1] == named(path)]


@pytest.fixture(scope="module")
def said():
    """What --help says of each benchmark, started as it names."""
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    groups = defaultdict(list)
    for path in BENCHMARKS:
        groups[tuple(own_commands(path)[0][0].items())].append(named(path))
    answers = {}
    for environment, paths in groups.items():
        command = [sys.executable, "-P", "-c", _HELP, *paths]
        run = partial(subprocess.run, cwd=ROOT, env=bare | dict(environment), capture_output=True, text=True)
        answers |= json.loads(run(command, check=True).stdout)
    return answers


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_a_benchmark_starts_by_the_command_that_it_names_and_knows_the_options_that_are_written(path, said):
    options = [
        word.partition("=")[0]
        for _, name, words in (*own_commands(path), *WRITTEN)
        if name == named(path)
        for word in words
    ]
    known = said[named(path)]

    assert known
    assert [] == [option for option in options if option.startswith("--") and option not in known]
