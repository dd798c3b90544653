"""Judged series that owe alerts, and a clock that is moved by hand."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry

from builders.judging.values import instance
from builders.peers.http import Target
from builders.running.database import opened
from daemon.core.sending.alert_settings import AlertSettings
from daemon.core.values import ClosedBy, Series, State, Verdict
from daemon.edge.database.alerts import Alerts
from daemon.edge.database.index import Index
from daemon.edge.database.patience import is_gone
from daemon.edge.database.results import Published, Results
from daemon.edge.delivery.notifier import Notifier
from daemon.edge.supervisor import Supervisor
from daemon.edge.telemetry.metrics import make_metrics
from daemon.sending.alerting import Alerter, AlertServices

NOON = 1_790_000_000.0
TARGETS = ("alert-1", "alert-2")


@dataclass
class Ward:
    """A database with alerts, and its time of day."""

    url: str
    services: AlertServices
    registry: CollectorRegistry
    now: float = NOON

    def judge(self, number: int, state=State.RESCAN, *, revision=1, study="1.2", to=TARGETS[:1], protocol="") -> None:  # noqa: PLR0913 - all by name
        """Close and judge a revision of series ``number`` of scanner MR1, whose last image comes now."""
        engine = self.services.results._engine  # noqa: SLF001 - their database
        only = instance(0, at=self.now)
        series = Series(
            series_instance_uid=f"1.2.9.{number}",
            study_instance_uid=study,
            revision=revision,
            instances=(replace(only, arrival=replace(only.arrival, calling_ae="MR1")),),
            closed_by=ClosedBy.RELEASE,
            closed_at=self.now,
            partial=False,
        )
        Index(engine, b"key").close_series(series)
        published = Published(
            verdict=Verdict(state=state, action="look"), assessment=None, description=protocol, seconds={}, objects={},
            bundle="", at=self.now, alerted=to if isinstance(to, dict) else dict.fromkeys(to, 0.0),
        )  # fmt: skip
        assert self.services.results.publish(series.series_instance_uid, revision, published, [])

    def count(self, outcome: str) -> float:
        """What the metric says of one outcome."""
        return self.registry.get_sample_value("scanside_alerts_total", {"outcome": outcome}) or 0.0

    def pass_time(self, seconds: float, *turns: Callable[[], float], step: float = 5.0) -> None:
        """Let time pass, with turns in every step."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + step)
            for turn in turns:
                while turn() == 0.0:
                    pass


@contextmanager
def ward(url: str, worker: str = "w", **settings: object) -> Iterator[Ward]:
    """Alert services over the database at ``url``; opening it again is a restart."""
    with opened(url) as engine:
        registry = CollectorRegistry()
        services = AlertServices(
            alerts=Alerts(engine),
            results=Results(engine),
            metrics=make_metrics(registry),
            supervisor=Supervisor(threading.Event(), passes=is_gone),
            worker=worker,
            scanners={"MR1": "Trio"},
            page="http://scanside/",
            settings=AlertSettings(**settings),
            clock=lambda: made.now,
        )
        made = Ward(url, services, registry)
        yield made


def alerter(
    ward: Ward, target: Target, name: str = "alert-1", timeout_s: float = 2.0, *, escalates: bool = False
) -> Callable[[], float]:
    """The turns at one target."""
    return Alerter(ward.services, Notifier(name, target.url, timeout_s), escalates=escalates).turn


def titles(target: Target) -> list[object]:
    """What it was told, in order."""
    return [got["title"] for got in target.received]
