"""What has not arrived where it is owed, in words for the page: reports that are tried again, late and lost alerts."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from daemon.edge.database.alerts import Alerts, LateAlert
from daemon.edge.database.outbox import Outbox

#: How long the page tells of an alert that did not arrive.
_LOST_S = 3600.0
#: How old what a destination does not take becomes before the page tells of it.
_OLD_S = 60.0


class Lateness:
    """Looks for what is late; ``destinations``: those of the configuration."""

    def __init__(self, outbox: Outbox, alerts: Alerts, destinations: Collection[str]) -> None:
        self._outbox = outbox
        self._alerts = alerts
        self._destinations = destinations

    def sentences(self, now: float) -> list[str]:
        """A sentence for each destination, and each target and outcome, with its last trouble."""
        troubled = self._outbox.troubled(self._destinations, now - _OLD_S)
        reports = [
            f"{name} did not take {count} of the reports, which are tried again: {why}" for name, count, why in troubled
        ]
        return [*reports, *words_of_alerts(self._alerts.late(now - _LOST_S))]


def words_of_alerts(late: Sequence[LateAlert]) -> Iterator[str]:
    """A sentence for each target and outcome."""
    counts = Counter((alert.target, alert.outcome, alert.held) for alert in late)
    troubles = {(alert.target, alert.outcome, alert.held): alert.trouble for alert in late}
    for (target, outcome, held), count in counts.items():
        what = f"{count} alert{'s' if count > 1 else ''} about a RESCAN"
        why = troubles[target, outcome, held] or "too old"
        if held:
            yield f"{what} held back for {target} ({why}): told together within the hour; look at the page"
        elif outcome is None:
            yield f"{what} cannot be sent to {target} ({why}): tried again; call the scanner's room"
        else:
            yield f"{what} never reached {target} ({why}): scanside parked shows which"
