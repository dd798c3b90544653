"""What is owed to one destination, one object at a time, the most urgent first: sent, tried again, or parked."""

import random
import time
from dataclasses import dataclass

import structlog

from daemon.core.errors import DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.core.ports import Destination
from daemon.core.sending.delivery import pause_s
from daemon.edge.database.outbox import Delivery, Outbox
from daemon.edge.files.reports import Reports
from daemon.edge.supervisor import Loop, Supervisor
from daemon.edge.telemetry.metrics import DeliveryOutcome, Metrics, Step

#: Between two looks at an outbox that owes nothing just now.
_IDLE_S = 0.1
_PUT_OFF_S = 3600.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryServices:
    """What every deliverer works with; ``worker``: the name under which it claims."""

    outbox: Outbox
    reports: Reports
    metrics: Metrics
    supervisor: Supervisor
    worker: str


class Deliverer:
    """Delivers to one destination; what is older than ``retry_for_s`` seconds when it fails again is parked.

    ``commitment``: what was delivered is to be committed, too.
    """

    def __init__(
        self, services: DeliveryServices, destination: Destination, retry_for_s: float, *, commitment: bool = False
    ) -> None:
        self._services = services
        self._destination = destination
        self._retry_for_s = retry_for_s
        self._commitment = commitment
        self._silent = 0  # times in a row that nobody was there
        self._rng = random.Random()  # noqa: S311 - jitter

    def turn(self) -> float:
        """Deliver one object, if one is due; the seconds to wait before the next turn."""
        services = self._services
        delivery = services.outbox.claim(self._destination.name, services.worker, time.time())
        if delivery is None:
            return _IDLE_S
        return services.supervisor.item(
            Loop.DELIVERING,
            lambda: self._deliver(delivery),
            lambda reason: self._park(delivery, f"{reason}; then requeue"),
            lambda reason: self._put_off(delivery, reason),
        )

    def _deliver(self, delivery: Delivery) -> float:
        services, name, began = self._services, self._destination.name, time.time()
        try:
            remark = self._destination.deliver(services.reports.load(delivery.sop_instance_uid))
        except DeliveryRefused as error:
            return self._park(delivery, str(error))
        except FileNotFoundError:
            return self._park(delivery, "the report's file is gone from storage/reports: put it back, then requeue")
        except DeliveryFailed as error:
            return self._retry(delivery, error)
        self._silent = 0
        self._settled(services.outbox.delivered(delivery, time.time(), remark, commitment=self._commitment))
        services.metrics.deliveries.labels(name, DeliveryOutcome.DELIVERED).inc()
        services.metrics.stage.labels(Step.DELIVER).observe(time.time() - began)
        return 0.0

    def _retry(self, delivery: Delivery, error: DeliveryFailed) -> float:
        """An absent destination holds everything up; an object that fails alone steps back behind the others."""
        now, services = time.time(), self._services
        services.metrics.deliveries.labels(delivery.destination, DeliveryOutcome.FAILED).inc()
        _log.warning("delivery_failed", destination=delivery.destination, detail=str(error))
        absent = isinstance(error, DestinationUnreachable)
        self._silent = self._silent + 1 if absent else 0
        pause = pause_s(self._silent if absent else delivery.attempts + 1, self._rng.random())
        if now - delivery.owed_at > self._retry_for_s:
            self._park(delivery, f"not delivered in {self._retry_for_s:.0f} s: {error}")
        elif absent:
            services.outbox.keep(delivery, str(error))
        else:
            services.outbox.postpone(delivery, str(error), now + pause)
        return pause if absent else 0.0

    def _put_off(self, delivery: Delivery, reason: str) -> float:
        """What cannot even be parked: the others go first."""
        self._services.outbox.postpone(delivery, reason, time.time() + _PUT_OFF_S)
        return 0.0

    def _park(self, delivery: Delivery, reason: str) -> float:
        self._settled(self._services.outbox.park(delivery, reason))
        self._services.metrics.deliveries.labels(delivery.destination, DeliveryOutcome.REFUSED).inc()
        _log.error("delivery_refused", destination=delivery.destination, detail=reason)
        return 0.0

    def _settled(self, seconds: dict[str, float] | None) -> None:
        if seconds is not None and "sr" in seconds:
            self._services.metrics.last_image_to_report.observe(seconds["sr"])
