"""What can be tried without starting anything: each check says what it found, or raises what a person has to mend.

``scanside run`` demands those of this machine before it starts anything; ``scanside check`` shows them and more.
"""

import errno
import os
import pwd
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from daemon.config import Listening, Settings
from daemon.core.errors import ConfigError, ScansideError
from daemon.edge.delivery.outlets import Outlet, make_destination
from daemon.edge.receiving.settings import TlsSettings, tls_context
from models.bundle import BundleError

#: How long a port may still be held by a daemon that was just ended.
_PORT_FREE_S: Final = 3.0
_AGAIN_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Check:
    """``act`` returns what it found, in words."""

    name: str
    act: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of a check; ``detail``: what was found, or what to mend."""

    name: str
    good: bool
    detail: str


def find(check: Check) -> Finding:
    """Carry out one check."""
    try:
        return Finding(name=check.name, good=True, detail=check.act())
    except (ScansideError, BundleError) as error:
        return Finding(name=check.name, good=False, detail=str(error))
    except OSError as error:
        return Finding(name=check.name, good=False, detail=f"{error.strerror}: {error.filename}")


def demand(checks: Iterable[Check]) -> None:
    """Carry out checks that must be good before anything is started; of one name, one.

    Raises:
        ConfigError: some are not; all of them are told, a line each.
    """
    bad = [finding for finding in map(find, {check.name: check for check in checks}.values()) if not finding.good]
    if bad:
        raise ConfigError("\n  ".join(f"{finding.name}: {finding.detail}" for finding in bad))


def receiving_checks(settings: Settings) -> Iterator[Check]:
    """What the receiver needs; imports nothing heavy."""
    yield Check("storage", partial(_write, settings.storage))
    if settings.dicom.tls is not None:
        yield Check("dicom.tls", partial(_load_tls, settings.dicom.tls))
    yield Check("dicom.port", partial(listen_once, settings.dicom))


def working_checks(settings: Settings, *, works: bool = True) -> Iterator[Check]:
    """What the daemon needs beside its receiver; ``works``: that it judges and delivers itself."""
    yield from own_checks(settings, works=works)
    for key, place in settings.ports.items():
        if key != "dicom.port":
            yield Check(key, partial(listen_once, place))


def own_checks(settings: Settings, *, works: bool = True) -> Iterator[Check]:
    """What a worker needs too: what files and addresses say by themselves; nobody is asked."""
    yield Check("storage", partial(_write, settings.storage))
    yield Check("database", partial(_name_database, settings.database_url))
    yield Check("alerts.urls", partial(_make_notifiers, settings.alerts.first))
    if settings.alerts.escalate_urls:
        yield Check("alerts.escalate_urls", partial(_make_notifiers, settings.alerts.second))
    if works:
        for name, folder in settings.bundle_folders.items():
            yield Check(f"bundle {name}", partial(_load_bundle, folder))
        for outlet in settings.destinations:
            yield Check(f"destination {outlet.name}", partial(_make_destination, outlet, settings.dicom.ae_title))


def listen_once(place: Listening) -> str:
    """Whether a port can be listened on, waiting a little for one that was just given up.

    Raises:
        ConfigError: it cannot.
    """
    until = time.monotonic() + _PORT_FREE_S
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    while True:
        try:
            socket.create_server((place.host, place.port), family=family).close()
        except PermissionError as error:
            raise ConfigError(
                f"this user may not listen on port {place.port}: choose one above 1023, or grant CAP_NET_BIND_SERVICE"
            ) from error
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < until:
                time.sleep(_AGAIN_S)
                continue
            raise ConfigError(
                f"cannot listen on {place.host} port {place.port} ({error.strerror}): end what does, or choose another"
            ) from error
        return f"{place.host} port {place.port} is free" if place.port else f"{place.host}, any free port"


def _write(folder: Path) -> str:
    """Tried by writing, where the folder is there; what is not there yet is made at the start."""
    user = _user()
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if there != folder:
            _may_make(there)
            return f"{folder} can be made by {user}"
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(
            f"{user} cannot write to {folder} ({error.strerror}): give it to this user, or set another folder"
        ) from error
    return f"{folder} can be written by {user}"


def _user() -> str:
    """The name of whoever runs this; in a container it may have none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def _may_make(parent: Path) -> None:
    if not parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{parent} is no folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, f"it is not there, and {parent} is not this user's")


def _load_tls(settings: TlsSettings) -> str:
    tls_context(settings)
    return "certificate and key can be used"


def _name_database(url: str) -> str:
    from daemon.edge.database.migrations import connect

    engine = connect(url)
    engine.dispose()
    return engine.url.render_as_string(hide_password=True)


def _load_bundle(folder: Path) -> str:
    from models.bundle import load_bundle

    manifest = load_bundle(folder).manifest
    return f"{manifest.name} {manifest.version} is whole"


def _make_destination(outlet: Outlet, calling_ae: str) -> str:
    make_destination(outlet, calling_ae)
    return "can be used as configured"


def _make_notifiers(urls: Mapping[str, str]) -> str:
    if not urls:
        return "nobody is alerted: none is configured"
    from daemon.edge.delivery.notifier import make_notifiers

    return f"{len(make_notifiers(urls))} can be used as configured"
