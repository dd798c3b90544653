"""scanside parked: what could not be delivered, and why."""

import argparse
import json
from typing import Any

from daemon.config import Settings, load_settings
from daemon.edge.migrations import open_existing
from daemon.edge.outbox import Delivery, Outbox


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("--json", action="store_true", help="one JSON object a delivery")


def run(options: argparse.Namespace) -> int:
    """Print a line for each delivery that waits for a person, oldest first."""
    for delivery in list_parked(load_settings(options.config)):
        entry = describe(delivery)
        line = f"{entry['series'][-24:]:24} {entry['kind']:3} {entry['destination']:12} {entry['reason']}"
        print(json.dumps(entry) if options.json else line)
    return 0


def list_parked(settings: Settings) -> list[Delivery]:
    """Every delivery that waits for a person.

    Raises:
        ConfigError: no daemon has run with this configuration yet.
    """
    with open_existing(settings.database_url) as engine:
        return Outbox(engine).parked()


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
