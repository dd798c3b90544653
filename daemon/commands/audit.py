"""scanside audit: who saw, answered, changed and exported what."""

import argparse
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime

from daemon.commands.option import since_s
from daemon.config import load_settings
from daemon.edge.access.audit import Audit
from daemon.edge.database.migrations import open_existing


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("--since", type=since_s, default="30d", help="how far back: 12h, 7d (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: argparse.Namespace) -> int:
    """Print a line for each deed, oldest first.

    Raises:
        ConfigError: no daemon has run with this configuration yet.
    """
    with open_existing(load_settings(options.config).database_url) as engine:
        for entry in Audit(engine).entries(time.time() - options.since):
            moment = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="seconds")
            line = f"{moment} {entry.who or '-':16} {entry.address or '-':15} {entry.deed.value:10} {entry.subject}"
            print(json.dumps(asdict(entry)) if options.json else line)
    return 0
