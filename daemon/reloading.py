"""SIGHUP: the configuration is read again; what is wrong is refused, what changed is logged, and taken up.

The working half takes a new configuration up by becoming a new process under its old number, which costs it seconds
and no series; the receiver is left alone. What the receiver goes by needs a restart of the service, and is refused.
"""

import getpass
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from daemon.checks import Check, demand, listen_once, own_checks
from daemon.config import Settings, load_settings
from daemon.core.errors import ConfigError
from daemon.core.people.access import Deed
from daemon.edge.access.audit import Audit, Entry
from daemon.edge.database.migrations import connect
from daemon.edge.database.patience import unless_gone
from daemon.edge.telemetry import logs

#: What the receiver goes by, and where everything lies.
_FIXED: Final = ("storage", "dicom", "spool", "database")
#: Addresses hold passwords.
_SECRET: Final = ("alerts.urls", "alerts.escalate_urls", "database", "destinations")
_SUBJECT_MAX = 200

_log = structlog.get_logger()


class Reloading:
    """Looks, when asked by a signal, whether the configuration at ``path`` is another one than ``settings``."""

    def __init__(self, path: Path | None, settings: Settings, *, works: bool = True) -> None:
        self._path = path
        self._settings = settings
        self._works = works
        self._asked = threading.Event()

    def ask(self, _number: int, _frame: object) -> None:
        """The signal's handler."""
        self._asked.set()

    def is_due(self) -> bool:
        """Whether a new and good configuration is to be taken up; says what is wrong, or what changed."""
        if not self._asked.is_set():
            return False
        self._asked.clear()
        try:
            new = load_settings(self._path)
            changed = dict(changes(self._settings, new))
            self._demand(new, changed)
        except ConfigError as error:
            _log.error("configuration_refused", detail=str(error))
            return False
        if not changed:
            _log.info("configuration_unchanged")
            return False
        for key, change in changed.items():
            _log.info("setting_changed", detail=f"{key}: {change}")
        self._note(list(changed))
        return True

    def _demand(self, new: Settings, changed: Mapping[str, str]) -> None:
        fixed = [key for key in changed if key.split(".")[0].split("[")[0] in _FIXED]
        if fixed:
            raise ConfigError(f"{', '.join(fixed)}: restart the service for these; nothing was taken up")
        moved = [Check("web.port", partial(listen_once, new.web))] if {"web.port", "web.host"} & set(changed) else []
        demand([*own_checks(new, works=self._works), *moved])

    def _note(self, keys: list[str]) -> None:
        """Tell the trail."""
        engine = connect(self._settings.database_url)
        try:
            with unless_gone():
                subject = f"settings: {', '.join(keys)}"[:_SUBJECT_MAX]
                who = getpass.getuser()
                Audit(engine).note(Entry(at=time.time(), who=who, address="", deed=Deed.CHANGED, subject=subject))
        finally:
            engine.dispose()


def become_anew() -> None:
    """Go on with the same command line as a new process under the same number."""
    logs.drain()
    command = [sys.executable, "-m", "daemon", *sys.argv[1:]]
    os.execv(command[0], command)  # noqa: S606 - our own interpreter and module


def changes(old: Settings, new: Settings) -> Iterator[tuple[str, str]]:
    """Each setting that is another one, and ``old -> new``; of one that may hold a password only that it changed."""
    before, after = dict(_flat(asdict(old))), dict(_flat(asdict(new)))
    for key in [*before, *(key for key in after if key not in before)]:
        if before.get(key) != after.get(key):
            secret = key.startswith(_SECRET)
            yield key, "changed" if secret else f"{before.get(key)} -> {after.get(key)}"


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - whatever settings hold
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _flat(part, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple) and any(isinstance(part, Mapping) for part in value):
        for number, part in enumerate(value):
            yield from _flat(part, f"{key}[{number}]")
    else:
        yield key, value
