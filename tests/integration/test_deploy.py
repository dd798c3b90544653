"""What deploy/ ships is accepted by those who read it."""

import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from daemon.__main__ import _parser
from daemon.config import load_settings
from daemon.edge.metrics import make_metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMTOOL = Path("/usr/bin/promtool")


def test_the_configuration_is_one_the_daemon_takes():
    settings = load_settings(DEPLOY / "scanside.toml")

    assert {"MR1": "Prisma, room 3"} == settings.scanners
    assert ["pacs"] == [destination.name for destination in settings.destinations]


@pytest.mark.parametrize("unit", sorted(DEPLOY.glob("*.service")), ids=lambda unit: unit.name)
def test_the_units_run_commands_that_exist(unit):
    (command,) = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    program, *options = command.removeprefix("ExecStart=").replace("%i", "1").split()

    assert program.endswith("bin/scanside")
    assert options[0] in {"run", "receive", "work"}
    assert Path("/etc/scanside/scanside.toml") == _parser().parse_args(options).config


@pytest.mark.skipif(not PROMTOOL.exists(), reason="no promtool: apt install prometheus")
def test_prometheus_takes_the_rules():
    rules = DEPLOY / "prometheus-rules.yml"
    subprocess.run([PROMTOOL, "check", "rules", rules], check=True, capture_output=True)


def test_the_rules_ask_for_metrics_that_exist():
    registry = CollectorRegistry()
    make_metrics(registry)
    told = {line.split()[2] for line in generate_latest(registry).decode().splitlines() if line.startswith("# TYPE")}
    rules = (DEPLOY / "prometheus-rules.yml").read_text()
    asked = {
        word.split("[")[0].split("{")[0] for word in rules.replace("(", " ").split() if word.startswith("scanside_")
    }

    assert asked
    assert not {name for name in asked if name.rstrip(")") not in told and name.removesuffix("_bucket") not in told}
