"""scanside parked: what could not be delivered, alerts that did not arrive, and why."""

import argparse
import json
import time
from typing import Any

from daemon.config import Settings, load_settings
from daemon.edge.database.alerts import Alerts, LateAlert
from daemon.edge.database.migrations import open_existing
from daemon.edge.database.outbox import Delivery, Outbox

_DAY_S = 86_400.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("--json", action="store_true", help="one JSON object a delivery")


def run(options: argparse.Namespace) -> int:
    """Print a line for each delivery that waits for a person, oldest first, then for each late alert."""
    for entry in list_parked(load_settings(options.config), time.time()):
        line = f"{entry['series'][-24:]:24} {entry['kind']:5} {entry['destination']:12} {entry['reason']}"
        print(json.dumps(entry) if options.json else line)
    return 0


def list_parked(settings: Settings, now: float) -> list[dict[str, Any]]:
    """Every delivery that waits for a person, and every alert that failed or, within a day, never arrived.

    Raises:
        ConfigError: no daemon has run with this configuration yet.
    """
    with open_existing(settings.database_url) as engine:
        parked, late = Outbox(engine).parked(), Alerts(engine).late(now - _DAY_S)
    return [*map(describe, parked), *map(describe_alert, late)]


def describe(delivery: Delivery) -> dict[str, Any]:
    """A parked delivery as plain JSON values."""
    return {
        "series": delivery.series_instance_uid,
        "revision": delivery.revision,
        "kind": delivery.kind,
        "destination": delivery.destination,
        "owed_at": delivery.owed_at,
        "reason": delivery.parked,
    }


def describe_alert(alert: LateAlert) -> dict[str, Any]:
    """The same of an alert; it is tried again while it has no outcome."""
    what = alert.outcome or ("held back" if alert.held else "tried again")
    return {
        "series": alert.series_instance_uid,
        "revision": alert.revision,
        "kind": "ALERT",
        "destination": alert.target,
        "owed_at": alert.owed_at,
        "reason": f"{what}: {alert.trouble or 'too old when it was made'}",
    }
