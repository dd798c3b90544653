"""What deploy/ ships to look at the daemon with: dashboard, Prometheus, and a compose file whose parts agree."""

import json
import re
import shutil
import subprocess
from itertools import product

import sqlalchemy as sa
import yaml
from builders.page.board import MemoryBoard, mixture, sources
from builders.peers.prometheus import DEPLOY, NO_PROMETHEUS, PROMTOOL, running_prometheus
from builders.running.daemon import wait_until
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from daemon.config import load_settings
from daemon.edge.telemetry.feedback import Feedback
from daemon.edge.telemetry.metrics import make_metrics
from daemon.edge.web.server import Address, serve

DASHBOARD = json.loads((DEPLOY / "grafana" / "scanside.json").read_text())
COMPOSE = yaml.safe_load((DEPLOY / "compose.yml").read_text())


def families() -> list[Metric]:
    registry = CollectorRegistry()
    make_metrics(registry)
    registry.register(Feedback(sa.create_engine("sqlite://"), {}, {}))
    return list(registry.collect())


def names() -> set[str]:
    """Every name of a sample that the daemon may tell."""
    found = set()
    for family in families():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        found |= {family.name + suffix for suffix in suffixes}
    return found


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_the_dashboard_asks_for_metrics_that_exist_and_for_most_of_them():
    asked = {name for expr in expressions() for name in re.findall(r"scanside_\w+", expr)}

    assert asked <= names()
    assert UNTOLD == {_base(name) for name in names() if name.startswith("scanside_")} - set(map(_base, asked))


#: What tells apart, and does not rise or fall.
UNTOLD = {
    "scanside_build_info",
    "scanside_bundle_info",
    "scanside_instances_received_total",
    "scanside_own_objects_ignored",
}


def _base(name: str) -> str:
    return re.sub("_(bucket|sum|count)$", "", name)


@NO_PROMETHEUS
def test_prometheus_understands_every_query_of_the_dashboard(tmp_path):
    rules = [
        {"record": f"q:{number}", "expr": expr.replace("$instance", ".+")} for number, expr in enumerate(expressions())
    ]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run([PROMTOOL, "check", "rules", file], capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_no_panel_lies_over_another_and_each_has_a_number_a_title_and_a_source():
    panels = DASHBOARD["panels"]

    assert len({panel["id"] for panel in panels}) == len(panels) == len({panel["title"] for panel in panels})
    assert {("prometheus", "${source}")} == {(p["datasource"]["type"], p["datasource"]["uid"]) for p in panels}
    assert {"source", "instance"} == {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    places = [panel["gridPos"] for panel in panels]
    assert all(0 <= place["x"] and place["x"] + place["w"] <= 24 for place in places)
    cells = [
        cell
        for place in places
        for cell in product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"]))
    ]
    assert len(cells) == len(set(cells))


def test_every_file_that_the_compose_file_mounts_is_there_and_read_only():
    mounts = [one for service in COMPOSE["services"].values() for one in service["volumes"] if one.startswith("./")]

    assert mounts
    assert [] == [one for one in mounts if not (DEPLOY / one.split(":")[0]).is_file() or not one.endswith(":ro")]
    named = {one.split(":")[0] for service in COMPOSE["services"].values() for one in service["volumes"]}
    assert {name for name in named if not name.startswith("./")} == set(COMPOSE["volumes"])
    build = COMPOSE["services"]["scanside"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_the_parts_of_the_compose_file_agree_on_ports_and_names():
    settings = load_settings(DEPLOY / "scanside.compose.toml")
    (target,) = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"][0][
        "static_configs"
    ][0]["targets"]
    orthanc = json.loads((DEPLOY / "orthanc.json").read_text())
    (archive,) = settings.destinations
    published = {one.split(":")[-1] for one in COMPOSE["services"]["scanside"]["ports"]}

    assert f"scanside:{settings.web.port}" == target
    assert "scanside" in settings.hosts
    assert {str(settings.dicom.port), str(settings.web.port)} == published
    assert ("orthanc", orthanc["DicomPort"], orthanc["DicomAet"]) == (archive.host, archive.port, archive.ae_title)
    assert set(COMPOSE["services"]) == {"scanside", "orthanc", "prometheus", "grafana"}
    outside = [one for service in COMPOSE["services"].values() for one in service.get("ports", ())]
    assert ["11112:11112"] == [one for one in outside if not one.startswith("127.0.0.1:")]


def test_grafana_is_told_of_the_source_and_the_folder_where_the_dashboard_is_mounted():
    (source,) = yaml.safe_load((DEPLOY / "grafana" / "sources.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((DEPLOY / "grafana" / "dashboards.yml").read_text())["providers"]
    mounted = [one.split(":")[1] for one in COMPOSE["services"]["grafana"]["volumes"]]

    assert ("prometheus", "http://prometheus:9090") == (source["type"], source["url"])
    assert f"{provider['options']['path']}/scanside.json" in mounted


@NO_PROMETHEUS
def test_prometheus_takes_its_configuration_with_the_rules_beside_it(tmp_path):
    for file in (DEPLOY / "prometheus" / "prometheus.yml", DEPLOY / "prometheus-rules.yml"):
        shutil.copy(file, tmp_path)
    command = [PROMTOOL, "check", "config", tmp_path / "prometheus.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout + done.stderr


@NO_PROMETHEUS
def test_a_real_prometheus_asks_two_pages_and_answers_every_query_of_the_dashboard(tmp_path):
    addresses, servers = [], []
    for number in range(2):
        registry = CollectorRegistry()
        metrics = make_metrics(registry)
        metrics.build.labels(f"0.{number}").set(1)
        metrics.receiver_up.set(number)
        servers.append(serve(sources(MemoryBoard(mixture())), registry, Address()))
        addresses.append(f"127.0.0.1:{servers[-1].port}")
    try:
        with running_prometheus(tmp_path, addresses) as prometheus:
            wait_until(lambda: 2 == len(prometheus.samples("up == 1")))
            for expr in expressions():
                prometheus.samples(expr.replace("$instance", ".+"))
            up = prometheus.by_instance("scanside_receiver_up")
            wait_until(lambda: prometheus.alerting("ScansideReceiverDown"))
            down = prometheus.alerting("ScansideReceiverDown")
    finally:
        for server in servers:
            server.stop()

    assert dict(zip(addresses, (0.0, 1.0), strict=True)) == up
    assert addresses[:1] == down
