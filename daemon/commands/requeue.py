"""scanside requeue: deliver what was parked once more."""

import argparse
import time

from daemon.config import load_settings
from daemon.core.errors import ConfigError
from daemon.edge.database.migrations import open_existing
from daemon.edge.database.outbox import Outbox


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("series", nargs="?", help="series instance UID")
    parser.add_argument("--destination", metavar="NAME", help="only what this destination refused")
    parser.add_argument("--all", action="store_true", help="everything")


def run(options: argparse.Namespace) -> int:
    """Start deliveries again, and print how many.

    Raises:
        ConfigError: nothing was chosen, the destination is not configured, or there is no database yet.
    """
    settings = load_settings(options.config)
    if not (options.series or options.destination or options.all):
        raise ConfigError("say what to requeue: a series instance UID, --destination NAME, or --all")
    names = [outlet.name for outlet in settings.destinations]
    if options.destination and options.destination not in names:
        raise ConfigError(f"no destination {options.destination}: the configuration has {', '.join(names) or 'none'}")
    with open_existing(settings.database_url) as engine:
        count = Outbox(engine).requeue(time.time(), options.series, options.destination)
    print(f"{count} deliveries start again" if count else "nothing is parked there")
    return 0
