"""scanside parked and requeue: what could not be delivered, why, and starting it again."""

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

from daemon.config import Settings
from daemon.core.errors import ConfigError
from daemon.edge.migrations import open_existing
from daemon.edge.outbox import Delivery, Outbox


def add_parking_options(parked: argparse.ArgumentParser, requeue: argparse.ArgumentParser) -> None:
    """The options of both commands."""
    parked.add_argument("--json", action="store_true", help="one JSON object a delivery")
    requeue.add_argument("series", nargs="?", help="series instance UID")
    requeue.add_argument("--destination", metavar="NAME", help="only what this destination refused")
    requeue.add_argument("--all", action="store_true", help="everything")


def run_parked(options: argparse.Namespace, settings: Settings) -> Iterator[str]:
    """A line for each delivery that waits for a person, oldest first."""
    for delivery in list_parked(settings):
        entry = describe(delivery)
        yield (
            json.dumps(entry)
            if options.json
            else (f"{entry['series'][-24:]:24} {entry['kind']:3} {entry['destination']:12} {entry['reason']}")
        )


def run_requeue(options: argparse.Namespace, settings: Settings) -> str:
    """Start deliveries again; what was done, in words.

    Raises:
        ConfigError: nothing was chosen, the destination is not configured, or there is no database yet.
    """
    if not (options.series or options.destination or options.all):
        raise ConfigError("say what to requeue: a series instance UID, --destination NAME, or --all")
    names = [outlet.name for outlet in settings.destinations]
    if options.destination and options.destination not in names:
        raise ConfigError(f"no destination {options.destination}: the configuration has {', '.join(names) or 'none'}")
    with open_existing(settings.database_url) as engine:
        count = Outbox(engine).requeue(time.time(), options.series, options.destination)
    return f"{count} deliveries start again" if count else "nothing is parked there"


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
