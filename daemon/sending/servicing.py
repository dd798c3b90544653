"""Service is called where a scanner's images have changed: found once a week, told to each target of alerts.

These alerts have an outbox of their own: no patient's leaving ends one. It is tried until it arrives, a person says
that it was seen to, or its target is no longer configured; meanwhile the page tells it.
"""

import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

import structlog

from daemon.config import Settings
from daemon.core.errors import DeliveryFailed
from daemon.core.mode import Mode
from daemon.core.sending.alerts import AlertOutcome
from daemon.core.sending.delivery import pause_s
from daemon.core.sending.messages import Alert, Messages
from daemon.core.tokens import token
from daemon.core.trends.drift import week_of
from daemon.core.trends.quality import Finding, findings_of
from daemon.core.trends.service import ServiceCall, describe
from daemon.edge.database.trends.calls import Calls, OwedCall
from daemon.edge.database.trends.quality import Quality
from daemon.edge.delivery.notifier import Notifier, make_notifiers
from daemon.edge.supervisor import Loop, Supervisor, Turn
from daemon.edge.telemetry.metrics import Metrics

#: Between two looks; only the first after the end of a week, or after a call was settled, has anything to do.
_LOOK_S = 60.0
#: Between two looks at what is owed.
_IDLE_S = 2.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDesk:
    """What service is called with. ``targets``: who is told; ``page``: where people reach the live page.

    ``messages``: in which words.
    """

    quality: Quality
    calls: Calls
    targets: Collection[str]
    page: str
    metrics: Metrics
    supervisor: Supervisor
    messages: Messages = field(default_factory=Messages)
    clock: Callable[[], float] = time.time


def service_turns(settings: Settings, desk: ServiceDesk) -> Iterator[Turn]:
    """What is done again and again to find and to tell; nothing in shadow mode.

    Raises:
        ConfigError: one of the URLs of alerts cannot be used.
    """
    if settings.mode is Mode.SHADOW:
        return
    yield Turn(Loop.OBSERVING, "drift", DriftWatch(desk).turn)
    for notifier in make_notifiers(settings.alerts.first):
        yield Turn(Loop.ALERTING, f"service to {notifier.name}", ServiceAlerter(desk, notifier).turn)


def service_desk(settings: Settings, quality: Quality, calls: Calls, made: tuple[Metrics, Supervisor]) -> ServiceDesk:
    """The desk of a configuration."""
    metrics, supervisor = made
    return ServiceDesk(
        quality=quality,
        calls=calls,
        targets=tuple(settings.alerts.first),
        page=settings.page,
        metrics=metrics,
        supervisor=supervisor,
        messages=Messages(settings.language),
    )


class DriftWatch:
    """Looks at every scanner once a week, and anew after a call was settled."""

    def __init__(self, desk: ServiceDesk) -> None:
        self._desk = desk
        self._looked: dict[str, tuple[object, ...]] = {}

    def turn(self) -> float:
        """Look at what has not been looked at; the seconds to wait before the next turn."""
        desk = self._desk
        for scanner in desk.quality.scanners():
            desk.supervisor.item(Loop.OBSERVING, lambda name=scanner: self._look(name), lambda _: None)  # type: ignore[misc]
        return _LOOK_S

    def _look(self, scanner: str) -> None:
        desk, now = self._desk, self._desk.clock()
        calls = desk.calls.of_scanner(scanner)
        since = max((call.settled_at for call in calls if call.settled_at), default=0.0)
        rated = desk.quality.scanner(scanner)
        looked = (week_of(now), since, sum(one.at < week_of(now) for one in rated))
        if self._looked.get(scanner) == looked:
            return
        told = {one.measure for call in calls if call.settled_at is None for one in call.findings}
        found = [one for one in findings_of(rated, now, since) if one.measure not in told]
        if found:
            self._call(scanner, found, now)
        self._looked[scanner] = looked

    def _call(self, scanner: str, found: Sequence[Finding], now: float) -> None:
        names = ",".join(one.measure for one in found)
        call_id = token(f"{scanner}\n{names}\n{max(one.shift.told for one in found)}", b"service call")
        call = ServiceCall(call_id=call_id, scanner=scanner, found_at=now, findings=tuple(found))
        if self._desk.calls.add(call, self._desk.targets):
            _log.warning("service_called", scanner=scanner, records=len(found))


class ServiceAlerter:
    """Tells one target of calls for service."""

    def __init__(self, desk: ServiceDesk, notifier: Notifier) -> None:
        self._desk = desk
        self._notifier = notifier
        self._rng = random.Random()  # noqa: S311 - jitter

    def turn(self) -> float:
        """Send one alert, if one is due; the seconds to wait before the next turn."""
        desk = self._desk
        owed = desk.calls.due(self._notifier.name, desk.clock())
        if owed is None:
            return _IDLE_S
        return desk.supervisor.item(
            Loop.ALERTING, lambda: self._deal_with(owed), lambda reason: self._retry(owed, reason)
        )

    def _deal_with(self, owed: OwedCall) -> float:
        if owed.call.settled_at is not None:
            return self._end(owed, AlertOutcome.ACKNOWLEDGED)
        try:
            self._notifier.send(compose_call(owed.call, self._desk.page, self._desk.messages))
        except DeliveryFailed as error:
            return self._retry(owed, str(error))
        return self._end(owed, AlertOutcome.DELIVERED)

    def _end(self, owed: OwedCall, outcome: AlertOutcome) -> float:
        self._desk.calls.end(owed, outcome, self._desk.clock())
        self._desk.metrics.service_alerts.labels(outcome).inc()
        return 0.0

    def _retry(self, owed: OwedCall, trouble: str) -> float:
        pause = pause_s(owed.attempts + 1, self._rng.random())
        self._desk.calls.postpone(owed, trouble, self._desk.clock() + pause)
        self._desk.metrics.service_alerts.labels(AlertOutcome.FAILED).inc()
        _log.warning("alert_failed", destination=owed.target, detail=trouble)
        return 0.0


def compose_call(call: ServiceCall, page: str, messages: Messages) -> Alert:
    """The alert of a call: which scanner, what has changed since when, where to look; no patient is in it."""
    since = datetime.fromtimestamp(min(one.shift.since for one in call.findings), UTC).date()
    link = f"{page.rstrip('/')}/quality/{quote(call.scanner)}"
    return messages.service(call.scanner, since.isoformat(), describe(call.findings), link)
