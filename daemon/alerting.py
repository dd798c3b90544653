"""What is owed to one target of alerts, one alert at a time: sent, tried again, withdrawn, or at its end unsent."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import structlog

from daemon.config import Settings
from daemon.core.alerts import AlertOutcome, OwedAlert, end_unsent
from daemon.core.delivery import pause_s
from daemon.core.errors import DeliveryFailed
from daemon.delivering import DeliveryServices
from daemon.edge.database.alerts import Alerts
from daemon.edge.database.results import Results
from daemon.edge.delivery.notifier import Alert, Notifier, compose_alert, compose_withdrawal, make_notifiers
from daemon.edge.supervisor import Loop, Supervisor, Turn
from daemon.edge.telemetry.metrics import Metrics

#: Between two looks where nothing is owed just now.
_IDLE_S = 0.2
#: A target that meets a fault of ours, or of its library, is tried so often.
_ATTEMPTS_MAX = 5

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertServices:
    """What every alerter works with.

    ``worker``: the name under which it claims; ``scanners``: calling AE title -> alias; ``page``: where people reach
    the live page; ``expire_s``: how long after a series' last image an alert about it is worth sending; ``clock``
    gives epoch seconds.
    """

    alerts: Alerts
    results: Results
    metrics: Metrics
    supervisor: Supervisor
    worker: str
    scanners: Mapping[str, str]
    page: str
    expire_s: float
    clock: Callable[[], float] = time.time


def alert_turns(settings: Settings, services: DeliveryServices, alerts: Alerts, results: Results) -> Iterator[Turn]:
    """What is done for each target of alerts, again and again.

    Raises:
        ConfigError: one of the URLs cannot be used.
    """
    alert_desk = AlertServices(
        alerts=alerts,
        results=results,
        metrics=services.metrics,
        supervisor=services.supervisor,
        worker=services.worker,
        scanners=settings.scanners,
        page=settings.page,
        expire_s=settings.alerts.expire_s,
    )
    for notifier in make_notifiers(settings.alerts.urls):
        yield Turn(Loop.ALERTING, f"to {notifier.name}", Alerter(alert_desk, notifier).turn)


class Alerter:
    """Alerts one target; none waits for another."""

    def __init__(self, services: AlertServices, notifier: Notifier) -> None:
        self._services = services
        self._notifier = notifier
        self._rng = random.Random()  # noqa: S311 - jitter

    def turn(self) -> float:
        """Send one alert, if one is due; the seconds to wait before the next turn."""
        services = self._services
        alert = services.alerts.claim(self._notifier.name, services.worker, services.clock())
        if alert is None:
            return _IDLE_S
        return services.supervisor.item(
            Loop.ALERTING, lambda: self._deal_with(alert), lambda reason: self._set_aside(alert, reason)
        )

    def _deal_with(self, alert: OwedAlert) -> float:
        services = self._services
        end = end_unsent(alert, services.clock(), services.expire_s)
        if end is not None:
            return self._settle(alert, end)
        try:
            self._notifier.send(self._compose(alert))
        except DeliveryFailed as error:
            return self._retry(alert, str(error))
        return self._settle(alert, AlertOutcome.DELIVERED)

    def _set_aside(self, alert: OwedAlert, reason: str) -> float:
        if alert.attempts + 1 < _ATTEMPTS_MAX:
            return self._retry(alert, reason)
        return self._settle(alert, AlertOutcome.GIVEN_UP, reason)

    def _compose(self, alert: OwedAlert) -> Alert:
        services = self._services
        record = services.results.record(alert.series_instance_uid, alert.revision)
        if record.verdict is None:  # never: it is owed together with the verdict
            raise ValueError("an alert about a series without a verdict")
        compose = compose_withdrawal if alert.withdrawal else compose_alert
        scanner = services.scanners.get(record.calling_ae, record.calling_ae)
        return compose(scanner=scanner, verdict=record.verdict, link=f"{services.page}#card-{record.card_id}")

    def _retry(self, alert: OwedAlert, trouble: str) -> float:
        services = self._services
        pause = pause_s(alert.attempts + 1, self._rng.random())
        services.alerts.postpone(alert, trouble, services.clock() + pause)
        services.metrics.alerts.labels(AlertOutcome.FAILED).inc()
        _log.warning("alert_failed", destination=alert.target, detail=trouble)
        return 0.0

    def _settle(self, alert: OwedAlert, outcome: AlertOutcome, trouble: str = "") -> float:
        self._services.alerts.settle(alert, outcome, self._services.clock(), trouble)
        if alert.withdrawal and outcome is AlertOutcome.WITHDRAWN:
            return 0.0  # there was nothing to take back
        self._services.metrics.alerts.labels(outcome).inc()
        if outcome in (AlertOutcome.EXPIRED, AlertOutcome.GIVEN_UP):
            _log.error("alert_lost", destination=alert.target, outcome=outcome, detail=trouble or alert.trouble)
        elif outcome is AlertOutcome.WITHDRAWN:
            _log.info("alert_withdrawn", destination=alert.target)
        return 0.0
