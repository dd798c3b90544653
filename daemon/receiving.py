"""The receiver as a command: built here, apart from everything else, so that it stays light and soon starts."""

import time
from dataclasses import replace

from daemon.config import Settings
from daemon.edge import logs
from daemon.edge.site_key import site_key
from daemon.intake import receive


def run_receiver(settings: Settings, restarts: int = 0) -> None:
    """Receive until SIGTERM or SIGINT, and do nothing else.

    Raises:
        ConfigError: something configured is not so.
        SpoolError: the spool cannot be used.
    """
    logs.configure(settings.log_level, site_key(settings.site_key))
    spool = replace(settings.spool_settings, first_segment=int(time.time()))
    receive(spool, settings.dicom, settings.scanners.keys(), restarts)
