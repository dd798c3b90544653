"""What deploy/ ships is accepted by those who read it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import builders.running.unit
import pytest
import sqlalchemy as sa
from builders.running.daemon import SCANSIDE
from builders.running.unit import ANALYZE, NUMBERS, directives
from prometheus_client import CollectorRegistry, generate_latest

from daemon.__main__ import make_parser
from daemon.config import load_settings
from daemon.edge.receiving.listener import is_allowed
from daemon.edge.telemetry.feedback import Feedback
from daemon.edge.telemetry.metrics import make_metrics

DEPLOY = Path(__file__).parents[3] / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
PROMTOOL = Path("/usr/bin/promtool")


def test_the_configuration_is_one_the_daemon_takes():
    settings = load_settings(DEPLOY / "scanside.toml")

    assert {"MR1": "Prisma, room 3"} == settings.scanners
    assert ["pacs"] == [destination.name for destination in settings.destinations]


def test_the_configuration_lets_nobody_in_before_it_is_changed():
    settings = load_settings(DEPLOY / "scanside.toml")
    strangers = ["10.0.0.1", "192.168.1.1", "172.16.0.1", "127.0.0.1", "8.8.8.8", "fd00::1"]

    assert not [address for address in strangers if is_allowed(address, settings.dicom.networks)]
    assert frozenset(settings.scanners) == settings.dicom.calling_ae_titles
    assert "127.0.0.1" == settings.web.host


def test_what_the_configuration_has_in_comments_is_taken_too(tmp_path):
    text = (DEPLOY / "scanside.toml").read_text()
    path = tmp_path / "scanside.toml"
    path.write_text(re.sub(r"^# (?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE))
    settings = load_settings(path)

    assert ["pacs", "web", "share"] == [destination.name for destination in settings.destinations]
    assert None not in (settings.dicom.tls, settings.destinations[0].tls)
    assert {"10.1.2.3", "scanside.hospital.example"} == settings.hosts


def instructions():
    """Each instruction of the image and what it is given."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    return [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]


def test_the_image_runs_as_nobody_in_particular_from_what_is_locked_and_says_that_it_lives():
    given = instructions()
    last = {name: rest for name, rest in given if not name.startswith("#")}
    command = json.loads(last["ENTRYPOINT"]) + json.loads(last["CMD"])
    installs = [rest for name, rest in given if name == "RUN" and "install" in rest and "pip" in rest]

    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last["USER"])
    assert ["scanside", "run"] == command[:2]
    assert Path("/etc/scanside/scanside.toml") == make_parser().parse_args(command[1:]).config
    assert "/livez" in last["HEALTHCHECK"]
    for part in (part for rest in installs for part in rest.split("&&") if "pip install" in part):
        assert "--require-hashes" in part or "--no-deps --no-index" in part
    copied = {word for name, rest in given if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]}
    assert not [path for path in copied if not (DEPLOY.parent / path).exists()]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_units_run_commands_that_exist(unit):
    (command,) = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    program, *options = command.removeprefix("ExecStart=").replace("%i", "1").split()

    assert program.endswith("bin/scanside")
    assert options[0] in {"run", "receive", "work", "calibrate"}
    assert Path("/etc/scanside/scanside.toml") == make_parser().parse_args(options).config


@pytest.mark.skipif(not Path(ANALYZE).exists(), reason="no systemd-analyze: apt install systemd")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_units_are_little_exposed(unit):
    command = [ANALYZE, "security", "--offline=true", "--no-pager", str(unit)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    (level,) = re.findall(r"Overall exposure level for .*: ([0-9.]+)", said.stdout) or [said.stderr]

    assert float(level) <= 3.0
    assert "" == said.stderr  # an unknown directive, or a bad value, is told there


@pytest.mark.skipif(not Path(ANALYZE).exists(), reason="no systemd-analyze: apt install systemd")
def test_the_timer_comes_every_night_and_its_service_is_there():
    timer = DEPLOY / "scanside-learn.timer"
    (when,) = re.findall(r"^OnCalendar=(.*)$", timer.read_text(), re.MULTILINE)
    said = subprocess.run([ANALYZE, "calendar", "--iterations=3", when], capture_output=True, text=True, check=True)
    days = re.findall(r": \w+ (\S+) 01:00:00", said.stdout)

    assert 3 == len(set(days))
    assert timer.with_suffix(".service").exists()


def test_the_units_forbid_the_same():
    apart = {
        "ExecStart",
        "ExecReload",
        "TimeoutStopSec",
        "KillMode",
        "MemoryDenyWriteExecute",  # OpenVINO compiles
        *("Type", "Restart", "RestartSec", "CPUSchedulingPolicy", "IOSchedulingClass"),  # what is done and ends
    }
    forbidden = [[line for line in directives(unit) if line[0] not in apart] for unit in UNITS]

    assert forbidden == [forbidden[0]] * len(UNITS)
    assert {("UMask", "0077"), ("StateDirectoryMode", "0700")} <= set(forbidden[0])


@pytest.mark.skipif(
    not (Path(ANALYZE).exists() and NUMBERS.exists()), reason="no systemd-analyze or no headers of an x86_64 kernel"
)
def test_the_whole_line_works_under_what_the_units_forbid(tmp_path):
    command = [sys.executable, "-P", builders.running.unit.__file__, str(DEPLOY / "scanside.service"), *SCANSIDE]
    done = subprocess.run(
        [*command, "demo", "--folder", tmp_path / "demo"], capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert 4 == done.stdout.count("picture ")
    assert [] == [path for path in (tmp_path / "demo").rglob("*") if path.stat().st_mode & 0o077]


@pytest.mark.skipif(not PROMTOOL.exists(), reason="no promtool: apt install prometheus")
def test_prometheus_takes_the_rules():
    rules = DEPLOY / "prometheus-rules.yml"
    subprocess.run([PROMTOOL, "check", "rules", rules], check=True, capture_output=True)


def test_the_rules_ask_for_metrics_that_exist():
    registry = CollectorRegistry()
    make_metrics(registry)
    registry.register(Feedback(sa.create_engine("sqlite://"), {}, {}))
    told = {line.split()[2] for line in generate_latest(registry).decode().splitlines() if line.startswith("# TYPE")}
    rules = (DEPLOY / "prometheus-rules.yml").read_text()
    asked = {
        word.split("[")[0].split("{")[0] for word in rules.replace("(", " ").split() if word.startswith("scanside_")
    }

    assert asked
    assert not {name for name in asked if name.rstrip(")") not in told and name.removesuffix("_bucket") not in told}
