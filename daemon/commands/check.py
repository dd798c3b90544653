"""scanside check: try the configuration and everything that it names, without starting anything."""

import argparse
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import sqlalchemy as sa

from daemon.checks import Check, Finding, find, listen_once, own_checks, receiving_checks
from daemon.config import Listening, Settings, load_settings
from daemon.core.errors import ConfigError, SpoolError
from daemon.core.sending.messages import Alert
from daemon.edge.database.migrations import connect
from daemon.edge.delivery.notifier import Notifier
from daemon.edge.delivery.outlets import DicomOutlet, FolderOutlet, Outlet, StowOutlet, peer_of, web_archive
from daemon.edge.delivery.stow import StowClient
from daemon.edge.delivery.verification import verify
from daemon.edge.engines import engine_maker
from daemon.edge.private import exposed
from daemon.edge.processes import runs
from daemon.edge.receiving.settings import ListenerSettings
from daemon.edge.receiving.status import read_status
from daemon.line.examination import check_golden, load_examiner

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
#: A person waits for the answers.
_PEER_S, _PAGE_S = 10.0, 3.0
_TEST = Alert(title="Scanside test", body="An alert that was asked for by scanside check; no series is meant.")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--alert", action="store_true", help="send every alert target a test besides")


def run(options: argparse.Namespace) -> int:
    """Print a line for each check; 0 where all are good, else 1."""
    good = True
    for finding in _findings(options):
        good = good and finding.good
        line = f"{'ok' if finding.good else 'BAD':4} {finding.name}: {finding.detail}"
        print(json.dumps(asdict(finding)) if options.json else line, flush=True)
    return 0 if good else 1


def _findings(options: argparse.Namespace) -> Iterator[Finding]:
    try:
        settings = load_settings(options.config)
    except ConfigError as error:
        yield Finding(name="configuration", good=False, detail=str(error))
        return
    yield Finding(name="configuration", good=True, detail=str(options.config or "the defaults"))
    yield from map(find, _checks(settings, alert=options.alert))


def _checks(settings: Settings, *, alert: bool) -> Iterator[Check]:
    checks = {check.name: check for check in (*receiving_checks(settings), *own_checks(settings))}
    checks["dicom.port"] = Check("dicom.port", partial(_receiver_port, settings))
    yield from checks.values()
    yield Check("dicom access", partial(_access, settings.dicom))
    yield Check("disk", partial(_room, settings))
    yield Check("permissions", partial(_permissions, settings.storage))
    for key, place in settings.ports.items():
        if key != "dicom.port":
            yield Check(key, partial(_page_port, place) if key == "web.port" else partial(listen_once, place))
    yield Check("database answers", partial(_ask_database, settings))
    for name, folder in settings.bundle_folders.items():
        yield Check(f"bundle {name} here", partial(_judge_golden, folder, settings))
    for outlet in settings.destinations:
        yield Check(f"destination {outlet.name} answers", partial(_ask, outlet, settings.dicom.ae_title))
    if alert:
        for key, targets in (("urls", settings.alerts.first), ("escalate_urls", settings.alerts.second)):
            for number, (name, url) in enumerate(targets.items()):
                yield Check(f"alerts.{key}[{number}] takes a test", partial(_alert, name, url))


def _receiver_port(settings: Settings) -> str:
    """Free, or held by the receiver of this storage folder."""
    status = None
    with suppress(SpoolError, OSError):
        status = read_status(settings.spool_settings.folder)
    if status is not None and runs(status.pid) and settings.dicom.port in {status.port, 0}:
        return f"the receiver runs, on port {status.port}"
    return listen_once(settings.dicom)


def _access(dicom: ListenerSettings) -> str:
    limits = {
        "dicom.host": dicom.host in _LOOPBACK,
        "dicom.networks": bool(dicom.networks),
        "dicom.calling_ae_titles": bool(dicom.calling_ae_titles),
        "dicom.tls.ca_file": dicom.tls is not None and dicom.tls.ca_file is not None,
    }
    if not any(limits.values()):
        raise ConfigError(
            "whoever reaches the port may send: write dicom.networks and calling_ae_titles, or dicom.tls with ca_file"
        )
    return f"limited by {' and '.join(key for key, limited in limits.items() if limited)}"


def _page_port(place: Listening) -> str:
    """Free, or held by a daemon."""
    address = f"[{place.host}]" if ":" in place.host else "127.0.0.1" if place.host == "0.0.0.0" else place.host  # noqa: S104
    try:
        with urllib.request.urlopen(f"http://{address}:{place.port}/livez", timeout=_PAGE_S) as answer:
            if answer.read(16) == b"alive\n":
                return f"the daemon runs, on port {place.port}"
    except (OSError, ValueError):
        pass
    return listen_once(place)


def _room(settings: Settings) -> str:
    folder = next(path for path in (settings.storage, *settings.storage.parents) if path.exists())
    usage, limits = shutil.disk_usage(folder), settings.spool
    used = usage.used / (usage.used + usage.free)
    found = f"{usage.free / 1e9:.1f} GB free, {used:.0%} used"
    if usage.free < limits.free_bytes_min or used > limits.used_fraction_max:
        wanted = f"{limits.free_bytes_min / 1e9:.1f} GB free and {limits.used_fraction_max:.0%} used"
        raise ConfigError(f"{found}: below {wanted} scanners are refused; make room, or change [spool]")
    return found


def _permissions(storage: Path) -> str:
    if not storage.exists():
        return "nothing is kept yet"
    try:
        count = sum(1 for _ in exposed(storage))
    except OSError as error:
        raise ConfigError(f"{storage} cannot be looked at ({error.strerror}): run this as the daemon's user") from error
    if count:
        raise ConfigError(f"{count} files or folders are open to others: scanside run takes their rights away")
    return "nobody else may read what is kept"


def _ask_database(settings: Settings) -> str:
    if not settings.database and not settings.database_file.exists():
        return f"{settings.database_file} is made at the first start"
    engine = connect(settings.database_url)
    try:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
            tables = sa.inspect(connection).get_table_names()
    except sa.exc.DBAPIError as error:
        why = " ".join(str(error.orig).split())
        raise ConfigError(f"it does not ({why}): check `database`, the server, and who may enter") from error
    finally:
        engine.dispose()
    return "it does" if "series" in tables else "it does, and is empty"


def _judge_golden(folder: Path, settings: Settings) -> str:
    with TemporaryDirectory() as compiled:  # the daemon's own is its user's
        examiner = load_examiner(folder, engine_maker(settings.engine, Path(compiled)))
        check_golden(examiner)
        return f"gives its maker's numbers on {examiner.provider}"


def _ask(outlet: Outlet, calling_ae: str) -> str:
    match outlet:
        case DicomOutlet():
            verify(replace(peer_of(outlet, calling_ae), timeout_s=min(outlet.timeout_s, _PEER_S)))
            return f"C-ECHO of {outlet.ae_title} at {outlet.host} port {outlet.port}"
        case StowOutlet():
            archive = web_archive(outlet)
            return StowClient(replace(archive, timeout_s=min(outlet.timeout_s, _PEER_S))).ask()
        case FolderOutlet():
            try:
                with TemporaryFile(dir=outlet.path):
                    return f"{outlet.path} can be written"
            except OSError as error:
                raise ConfigError(f"{outlet.path} cannot be written ({error.strerror}): make or mount it") from error


def _alert(name: str, url: str) -> str:
    Notifier(name, url).send(_TEST)
    return "it did"
