"""A real Prometheus with the configuration and the rules that ship, on a free port of this host only."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from archive import free_port

DEPLOY = Path(__file__).parents[3] / "deploy"
PROMETHEUS, PROMTOOL = Path("/usr/bin/prometheus"), Path("/usr/bin/promtool")
NO_PROMETHEUS = pytest.mark.skipif(not PROMETHEUS.exists(), reason="no Prometheus: apt install prometheus")

_NO_QUERY = (400, 422)


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running server, asked over its HTTP API."""

    port: int

    def samples(self, expr: str) -> list[dict[str, Any]]:
        """What a query finds: labels and values; nothing while it does not answer.

        Raises:
            HTTPError: it does not understand the query.
        """
        url = f"http://127.0.0.1:{self.port}/api/v1/query?query={urllib.request.quote(expr)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                said = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code in _NO_QUERY:
                raise
            return []  # it is still starting
        except OSError:
            return []
        return said["data"]["result"]

    def by_instance(self, expr: str) -> dict[str, float]:
        """One number for each daemon, by its address."""
        return {one["metric"]["instance"]: float(one["value"][1]) for one in self.samples(expr)}

    def alerting(self, name: str, state: str = "pending|firing") -> list[str]:
        """The addresses of the daemons for which a rule holds."""
        found = self.samples(f'ALERTS{{alertname="{name}", alertstate=~"{state}"}}')
        return sorted(one["metric"].get("instance", "") for one in found)


@contextmanager
def running_prometheus(folder: Path, targets: list[str]) -> Iterator[Prometheus]:
    """Start it in ``folder`` with other targets and a faster look than shipped, and stop it by its process."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": targets}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    shutil.copy(DEPLOY / "prometheus-rules.yml", folder)
    port = free_port()
    command = [
        PROMETHEUS,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'numbers'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield Prometheus(port)
    finally:
        process.kill()
        process.wait()
