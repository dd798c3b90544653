"""What is owed to one target of alerts, one alert at a time: sent, tried again, withdrawn, or at its end unsent."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import structlog

from daemon.config import Settings
from daemon.core.errors import DeliveryFailed
from daemon.core.mode import Mode
from daemon.core.people.translation import Translation
from daemon.core.sending.alert_settings import AlertSettings
from daemon.core.sending.alerts import HOUR_S, AlertOutcome, OwedAlert, Way, end_unsent, free_at, way
from daemon.core.sending.delivery import pause_s
from daemon.core.sending.messages import Alert, Facts, Messages
from daemon.edge.database.alerts import Alerts
from daemon.edge.database.results import Record, Results
from daemon.edge.database.studies.exams import Exams
from daemon.edge.delivery.notifier import Notifier, make_notifiers
from daemon.edge.files.bundle_words import read_translation
from daemon.edge.supervisor import Loop, Supervisor, Turn
from daemon.edge.telemetry.metrics import Metrics
from daemon.sending.delivering import DeliveryServices

#: Between two looks where nothing is owed just now.
_IDLE_S = 0.2
#: A target that meets a fault of ours, or of its library, is tried so often.
_ATTEMPTS_MAX = 5

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertServices:
    """What every alerter works with.

    ``worker``: the name under which it claims; ``scanners``: calling AE title -> alias; ``page``: where people reach
    the live page; ``translation``: of what verdicts say; ``hint``: what may be said of the patient of a series, by its
    UID; ``clock`` gives epoch seconds.
    """

    alerts: Alerts
    results: Results
    metrics: Metrics
    supervisor: Supervisor
    worker: str
    scanners: Mapping[str, str]
    page: str
    settings: AlertSettings = field(default_factory=AlertSettings)
    messages: Messages = field(default_factory=Messages)
    translation: Translation = field(default_factory=Translation)
    hint: Callable[[str], str] = lambda _: ""
    clock: Callable[[], float] = time.time


def alert_turns(
    settings: Settings, services: DeliveryServices, alerts: Alerts, records: tuple[Results, Exams]
) -> Iterator[Turn]:
    """What is done for each target of alerts, again and again; nothing in shadow mode, whatever was owed before.

    Raises:
        ConfigError: one of the URLs cannot be used.
    """
    results, exams = records
    templates = settings.alerts.templates
    desk = AlertServices(
        alerts=alerts,
        results=results,
        metrics=services.metrics,
        supervisor=services.supervisor,
        worker=services.worker,
        scanners=settings.scanners,
        page=settings.page,
        settings=settings.alerts,
        messages=Messages(settings.language, templates),
        translation=read_translation(settings.language, settings.bundle_folders.values()),
        hint=exams.hint_of if templates.name("patient") else lambda _: "",
    )
    if settings.mode is Mode.SHADOW:
        return
    for notifier in make_notifiers(settings.alerts.first):
        yield Turn(Loop.ALERTING, f"to {notifier.name}", Alerter(desk, notifier).turn)
    for notifier in make_notifiers(settings.alerts.second):
        yield Turn(Loop.ALERTING, f"to {notifier.name}", Alerter(desk, notifier, escalates=True).turn)


class Alerter:
    """Alerts one target; none waits for another. ``escalates``: it is told where nobody has answered the first."""

    def __init__(self, services: AlertServices, notifier: Notifier, *, escalates: bool = False) -> None:
        self._services = services
        self._notifier = notifier
        self._escalates = escalates
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
        end = self._end(alert)
        if end is not None:
            return self._settle(alert, end)
        services, most = self._services, self._services.settings.per_hour_max
        told = services.alerts.told(self._notifier.name, services.clock() - HOUR_S)
        match way(alert, told, most):
            case Way.LATER:
                services.alerts.hold(alert, f"more than {most} within an hour", free_at(told, most))
                return 0.0
            case Way.TOGETHER:
                return self._sum_up(alert)
            case Way.SINGLY:
                return self._send([alert], self._compose(alert), AlertOutcome.DELIVERED)

    def _sum_up(self, first: OwedAlert) -> float:
        """Tell of everything that is due, in one alert."""
        services = self._services
        due = services.alerts.claim_all(self._notifier.name, services.worker, services.clock())
        over = [first, *(one for one in due if one != first and not one.withdrawal and self._end(one) is None)]
        records = [services.results.record(one.series_instance_uid, one.revision) for one in over]
        series = Counter(services.scanners.get(record.calling_ae, record.calling_ae) for record in records)
        summary = services.messages.summary(series, services.settings.per_hour_max, services.page)
        return self._send(over, summary, AlertOutcome.SUMMARISED)

    def _send(self, alerts: list[OwedAlert], message: Alert, outcome: AlertOutcome) -> float:
        try:
            self._notifier.send(message)
        except DeliveryFailed as error:
            return self._retry(alerts[0], str(error))
        if len(alerts) == 1:
            return self._settle(alerts[0], outcome)
        self._services.alerts.settle_all(alerts, outcome, self._services.clock())
        self._services.metrics.alerts.labels(outcome).inc(len(alerts))
        return 0.0

    def _end(self, alert: OwedAlert) -> AlertOutcome | None:
        services = self._services
        return end_unsent(alert, services.clock(), services.settings.expire_s, escalates=self._escalates)

    def _set_aside(self, alert: OwedAlert, reason: str) -> float:
        if alert.attempts + 1 < _ATTEMPTS_MAX:
            return self._retry(alert, reason)
        return self._settle(alert, AlertOutcome.GIVEN_UP, reason)

    def _compose(self, alert: OwedAlert) -> Alert:
        services = self._services
        record = services.results.record(alert.series_instance_uid, alert.revision)
        if record.verdict is None:  # never: it is owed together with the verdict
            raise ValueError("an alert about a series without a verdict")
        facts = self._facts(record)
        if alert.withdrawal:
            return services.messages.withdrawal(record.verdict, facts)
        if self._escalates:
            minutes = round((services.clock() - alert.owed_at) / 60)
            return services.messages.escalation(record.verdict, facts, minutes)
        return services.messages.rescan(record.verdict, facts)

    def _facts(self, record: Record) -> Facts:
        services = self._services
        verdict = services.translation.verdict(record.verdict) if record.verdict else None
        return Facts(
            scanner=services.scanners.get(record.calling_ae, record.calling_ae),
            cause=(verdict.cause_word or "") if verdict else "",
            action=verdict.action if verdict else "",
            link=f"{services.page}#card-{record.card_id}",
            protocol=record.description,
            patient=services.hint(record.series_instance_uid),
        )

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
        escalated = self._escalates and outcome is AlertOutcome.DELIVERED and not alert.withdrawal
        self._services.metrics.alerts.labels(AlertOutcome.ESCALATED if escalated else outcome).inc()
        if outcome in (AlertOutcome.EXPIRED, AlertOutcome.GIVEN_UP):
            _log.error("alert_lost", destination=alert.target, outcome=outcome, detail=trouble or alert.trouble)
        elif outcome is AlertOutcome.WITHDRAWN:
            _log.info("alert_withdrawn", destination=alert.target)
        return 0.0
