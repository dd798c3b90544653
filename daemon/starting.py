"""How ``scanside run`` and ``scanside receive`` begin: alone, or as the children of a parent."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from functools import partial

from daemon.checks import demand, receiving_checks, working_checks
from daemon.config import Settings, load_settings
from daemon.core.errors import ConfigError, DatabaseGone
from daemon.edge.child import MISCONFIGURED
from daemon.edge.private import claim_storage
from daemon.edge.processes import Begun, end_with, go_first, share_heaps
from daemon.edge.telemetry import logs
from daemon.edge.telemetry.site_key import site_key
from models.bundle import BundleError


def run_as_asked(options: argparse.Namespace) -> int:
    """Become the parent of a receiver and a working half; with ``options.parent`` be that working half.

    Raises:
        ConfigError: something configured is not so; said before anything is started.
    """
    if options.parent is None:
        settings = load_settings(options.config)
        receiving = () if options.no_receive else receiving_checks(settings)
        demand([*receiving, *working_checks(settings, works=not options.no_work)])
        _claim(settings)
        _become_parent(options)

    def work(settings: Settings) -> None:
        from daemon.app import run

        go_first()
        share_heaps()
        begun = partial(os.kill, options.parent, Begun.WORKING_HALF)
        run(settings, begun, works=not options.no_work, restarts=options.restarts, config=options.config)

    return _as_child(options, work, signal.SIGKILL)


def receive_as_asked(options: argparse.Namespace) -> int:
    """Receive until told to end.

    Raises:
        ScansideError: it cannot begin, or has failed.
    """
    from daemon.receiving import run_receiver

    if options.parent is None:
        settings = load_settings(options.config)
        demand(receiving_checks(settings))
        _claim(settings)
        run_receiver(settings)
        return 0
    begun = partial(os.kill, options.parent, Begun.RECEIVER)
    return _as_child(options, lambda settings: run_receiver(settings, begun, options.restarts), signal.SIGTERM)


def _claim(settings: Settings) -> None:
    """Make the storage folder ours, once: a receiver that is started again is to be there soon."""
    logs.configure(settings.log_level, site_key(settings.site_key))
    claim_storage(settings.storage)


def _become_parent(options: argparse.Namespace) -> None:
    """Go on as ``daemon.parent``: under the same process id, without all that was imported here."""
    command = [sys.executable, "-m", "daemon.parent"]
    command += [name for name, given in (("--no-receive", options.no_receive), ("--no-work", options.no_work)) if given]
    if options.config:
        command += ["--config", str(options.config.resolve())]
    logs.drain()
    os.execv(command[0], command)  # noqa: S606 - our own interpreter and module


def _as_child(options: argparse.Namespace, run: Callable[[Settings], None], end: signal.Signals) -> int:
    """Run what the parent started, which gets ``end`` when the parent is gone; tell it what only a person can mend."""
    end_with(options.parent, end)
    try:
        run(load_settings(options.config))
    except DatabaseGone:  # it may answer later
        raise
    except (ConfigError, BundleError) as error:
        print(f"scanside: {error}", file=sys.stderr)
        return MISCONFIGURED
    return 0
