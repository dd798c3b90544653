"""docs/commands.md is what ``--help`` says; ``SCANSIDE_TABLES=docs pytest <this file>`` writes it anew."""

import os
from pathlib import Path

import pytest

from daemon.__main__ import make_parser

ROOT = Path(__file__).resolve().parents[3]
#: What differs from machine to machine stands behind this line of every help text.
WHERE = "where things lie"


@pytest.fixture
def help_of(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")

    def told(*command):
        with pytest.raises(SystemExit):
            make_parser().parse_args([*command, "--help"])
        return capsys.readouterr().out.split(WHERE)[0].rstrip()

    return told


@pytest.fixture
def page(help_of):
    usage = help_of()
    names = usage[usage.index("{") + 1 : usage.index("}")].split(",")
    parts = ["# Commands", "Made from `scanside COMMAND --help`; `scanside run --help` says where things lie besides."]
    parts += [f"```text\n{usage}\n```"]
    parts += [f"## {name}\n\n```text\n{help_of(name)}\n```" for name in names]
    return "\n\n".join(parts) + "\n"


def test_the_page_of_commands_is_what_help_says(page):
    if "SCANSIDE_TABLES" in os.environ:
        Path(os.environ["SCANSIDE_TABLES"], "commands.md").write_text(page)

    assert page.split() == (ROOT / "docs" / "commands.md").read_text().split()
