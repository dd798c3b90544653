"""Two daemons under one real Prometheus: told apart, counted as they were pushed, and missed when one is gone."""

import json
import urllib.error
import urllib.request
from contextlib import ExitStack

from builders.images.phantoms import series, volume
from builders.peers.prometheus import NO_PROMETHEUS, running_prometheus
from builders.running.daemon import CHEAP, running_daemon, wait_until, write_files

PUSHED = {"one": 2, "two": 1}


def address(daemon):
    return f"127.0.0.1:{daemon.web_port}"


def guess(daemon):
    """A login that nobody may make; its status."""
    sent = json.dumps({"name": "anna", "password": "guess guess guess"}).encode()
    url, headers = f"http://{address(daemon)}/login", {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, sent, headers), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@NO_PROMETHEUS
def test_prometheus_tells_two_daemons_apart_counts_what_was_pushed_and_refused_and_misses_one_that_is_gone(tmp_path):
    with ExitStack() as stack:
        daemons = {}
        for name in PUSHED:
            (tmp_path / name).mkdir()
            daemons[name] = stack.enter_context(running_daemon(tmp_path / name, extra=CHEAP, ready=False))
        prometheus = stack.enter_context(running_prometheus(tmp_path, [address(one) for one in daemons.values()]))
        images, at = {}, {name: address(daemon) for name, daemon in daemons.items()}
        for name, daemon in daemons.items():
            daemon.wait_until_ready()
            images[at[name]] = 0
            for number in range(PUSHED[name]):
                files = write_files(tmp_path / f"{name}-{number}", series(volume(number), f"{name} {number}"))
                assert 0 == daemon.push(files[0].parent).returncode
                images[at[name]] += len(files)
        answered = {at[name]: float(count) for name, count in PUSHED.items()}

        wait_until(lambda: dict.fromkeys(at.values(), 1.0) == prometheus.by_instance("up"))
        wait_until(lambda: images == prometheus.by_instance("sum by (instance) (scanside_instances_received_total)"))
        wait_until(lambda: answered == prometheus.by_instance("sum by (instance) (scanside_series_answered_total)"))
        released = 'scanside_associations_total{outcome="released"}'
        wait_until(lambda: answered == prometheus.by_instance(released))  # storescu comes once for a folder
        assert [] == prometheus.alerting("ScansideDown")
        codes = [guess(daemons["two"]) for _ in range(100)]
        assert {403, 429} == set(codes)
        wait_until(lambda: [at["two"]] == prometheus.alerting("ScansideManyRefusals", "firing"))
        refused = {at["one"]: 0.0, at["two"]: float(codes.count(429))}
        wait_until(lambda: refused == prometheus.by_instance('scanside_refusals_total{why="too many logins"}'))
        assert 0 == daemons["one"].stop()
        wait_until(lambda: [at["one"]] == prometheus.alerting("ScansideDown"))
        assert {at["one"]: 0.0, at["two"]: 1.0} == prometheus.by_instance("up")
