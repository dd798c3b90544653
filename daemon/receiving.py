"""The receiver as a command: built here, apart from everything else, so that it stays light and soon starts."""

import time
from collections.abc import Callable
from dataclasses import replace

from daemon.config import Settings
from daemon.edge.telemetry import logs
from daemon.edge.telemetry.site_key import site_key
from daemon.line.intake import receive


def run_receiver(settings: Settings, begun: Callable[[], None] = lambda: None, restarts: int = 0) -> None:
    """Receive until SIGTERM or SIGINT, and do nothing else; ``begun`` is called once it listens.

    Raises:
        ConfigError: something configured is not so.
        SpoolError: the spool cannot be used.
    """
    logs.configure(settings.log_level, site_key(settings.site_key))
    spool = replace(settings.spool_settings, first_segment=int(time.time()))
    receive(spool, settings.dicom, settings.scanners.keys(), begun, restarts)
