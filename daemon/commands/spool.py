"""scanside spool: what was received, and what was reported, listed, exported and pruned by hand."""

import argparse
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Engine

from daemon.commands.option import add_config
from daemon.config import Settings, load_settings
from daemon.core.errors import ConfigError, SpoolError
from daemon.core.reception.retention import Kind, Stock
from daemon.core.values import Arrival
from daemon.dicom.reading.headers import read_instance
from daemon.dicom.uids import derive_uid
from daemon.edge.database.inventory import Inventory, Issued, Standing
from daemon.edge.database.migrations import open_existing
from daemon.edge.files.reports import Reports
from daemon.edge.spool.reader import SpoolReader
from daemon.retention import make_pruner

#: The state of images that no series has: not read yet, Scanside's own that came back, or sent once more.
UNCLAIMED = "UNCLAIMED"
_UID = re.compile(r"(?=.{1,64}$)[0-9]+(\.[0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What the spool holds of one series, and what its reports take.

    ``state``: as ``Standing``, or UNCLAIMED; ``age_s``: since the last image, or the last report where none is left.
    """

    series_instance_uid: str
    state: str
    settled: bool
    instances: int
    size_bytes: int
    report_bytes: int
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """How many files were written, were there already, or are there with other content and were left alone.

    ``damaged``: images whose stored bytes cannot be read.
    """

    written: int = 0
    there: int = 0
    differing: int = 0
    damaged: int = 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` what can be done with the spool."""
    actions = parser.add_subparsers(dest="action", required=True, parser_class=argparse.ArgumentParser)
    listed = actions.add_parser(
        "list", help="series, state, size and age of what the spool holds, and the size of its reports"
    )
    listed.add_argument("--json", action="store_true", help="one JSON object a series")
    export = actions.add_parser("export", help="write DICOM files, <series UID>/<instance UID>.dcm; overwrites nothing")
    export.add_argument("folder", type=Path, help="where to; made if need be")
    export.add_argument("--series", action="append", default=[], metavar="UID", help="only this one; may be repeated")
    prune = actions.add_parser("prune", help="remove what [retention] lets go, as the daemon does once a minute")
    for action in (listed, export, prune):
        add_config(action)
    prune.add_argument("--dry-run", action="store_true", help="show it, remove nothing")


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; 1 where an export is not whole."""
    settings = load_settings(options.config)
    if options.action == "list":
        _print_holdings(list_spool(settings), as_json=options.json)
    elif options.action == "export":
        done = export_spool(settings, options.folder, frozenset(options.series))
        print(
            f"{done.written} written, {done.there} there already, {done.differing} left alone because the file there "
            f"differs, {done.damaged} damaged in the spool"
        )
        return 1 if done.differing or done.damaged else 0
    else:
        gone = prune_spool(settings, dry_run=options.dry_run)
        for stock in gone:
            print(f"{stock.kind:8} {stock.name} {stock.size_bytes / 1e6:10.1f} MB")
        segments = sum(stock.kind is Kind.SEGMENT for stock in gone)
        verb = "would remove" if options.dry_run else "removed"
        print(f"{verb} {segments} segments, {len(gone) - segments} reports")
    return 0


def _print_holdings(holdings: Iterable[Holding], *, as_json: bool) -> None:
    for one in holdings:
        if as_json:
            print(json.dumps(asdict(one)))
            continue
        days, uid = one.age_s / 86_400, one.series_instance_uid[-24:] or "-"
        print(
            f"{uid:24} {one.instances:6} {one.state:12} {one.size_bytes / 1e6:10.1f} MB "
            f"{one.report_bytes / 1e6:8.1f} MB {days:7.1f} days"
        )


def list_spool(settings: Settings, now: float | None = None) -> list[Holding]:
    """What the spool holds, and the reports, series by series, oldest first."""
    with _inventory(settings) as inventory:
        places = inventory.places() if inventory else {}
        standings = inventory.standings() if inventory else {}
        issued = inventory.issued() if inventory else []
    reports = _report_sizes(settings, issued)
    found: dict[str, list[Arrival]] = {}
    for event, _ in SpoolReader(settings.spool_settings.folder).follow():
        if isinstance(event, Arrival):
            found.setdefault(places.get((event.segment, event.offset), ""), []).append(event)
    at = time.time() if now is None else now
    answered = {one.series_instance_uid: one.since for one in issued if one.series_instance_uid in reports}
    last = answered | {uid: max(arrival.received_at for arrival in arrivals) for uid, arrivals in found.items()}
    holdings = [
        _holding(uid, found.get(uid, []), standings.get(uid), reports.get(uid, 0), at - since)
        for uid, since in last.items()
    ]
    return sorted(holdings, key=lambda holding: -holding.age_s)


def export_spool(settings: Settings, folder: Path, series: frozenset[str] = frozenset()) -> Exported:
    """Write the images of ``series``, or all, as DICOM files: ``<series UID>/<SOP instance UID>.dcm`` in ``folder``.

    Nothing that is there is overwritten. Text that is no UID never becomes a name: the same text gets the same UID.

    Raises:
        ConfigError: the folder cannot be written.
        SpoolError: a segment left the spool meanwhile.
    """
    spool = SpoolReader(settings.spool_settings.folder)
    with _inventory(settings) as inventory:
        places = inventory.places() if inventory else {}
    counts: Counter[str] = Counter()
    for event, _ in spool.follow():
        if isinstance(event, Arrival):
            uid = places.get((event.segment, event.offset))
            if uid is None or not series or uid in series:
                counts[_export(spool, event, folder, series)] += 1
    return Exported(**{name: counts[name] for name in Exported.__slots__})


def _export(spool: SpoolReader, arrival: Arrival, folder: Path, series: frozenset[str]) -> str:
    """Export one image; which count it belongs to, none where it is of another series."""
    try:
        uid = read_instance(arrival, spool.dataset(arrival)).series_instance_uid
    except SpoolError:
        return "damaged"
    if series and uid not in series:
        return "left"
    return _write(folder / _name(uid), f"{_name(arrival.sop_instance_uid)}.dcm", spool.part10(arrival))


def prune_spool(settings: Settings, *, dry_run: bool) -> tuple[Stock, ...]:
    """Remove the segments and reports that may go, also while a daemon runs; what went, or would go.

    Raises:
        ConfigError: no daemon has run with this configuration yet, so that nobody knows what is needed.
    """
    with _database(settings) as engine:
        if engine is None:
            raise ConfigError(
                f"no {settings.database_file}: without it nobody knows what is still needed; nothing is pruned"
            )
        pruner = make_pruner(settings, engine)
        return pruner.removable(time.time()) if dry_run else pruner.prune(time.time())


@contextmanager
def _inventory(settings: Settings) -> Iterator[Inventory | None]:
    with _database(settings) as engine:
        yield None if engine is None else Inventory(engine)


@contextmanager
def _database(settings: Settings) -> Iterator[Engine | None]:
    if not settings.database and not settings.database_file.exists():
        yield None
        return
    with open_existing(settings.database_url) as engine:
        yield engine


def _report_sizes(settings: Settings, issued: Iterable[Issued]) -> Counter[str]:
    """Bytes of report files by series."""
    reports, found = Reports(settings.reports), Counter[str]()
    sizes = reports.sizes()
    for one in issued:
        names = reports.names(one.card_id, one.revision, one.objects.values())
        found[one.series_instance_uid] += sum(sizes[name][0] for name in names if name in sizes)
    return +found


def _holding(uid: str, arrivals: list[Arrival], standing: Standing | None, report_bytes: int, age_s: float) -> Holding:
    return Holding(
        series_instance_uid=uid,
        state=standing.state if standing else UNCLAIMED,
        settled=standing is not None and standing.settled,
        instances=len(arrivals),
        size_bytes=sum(arrival.length for arrival in arrivals),
        report_bytes=report_bytes,
        age_s=age_s,
    )


def _name(uid: str) -> str:
    """A UID as a file's name; a UID of our own for what is none."""
    return uid if _UID.fullmatch(uid) else derive_uid("file name", uid)


def _write(folder: Path, name: str, content: bytes) -> str:
    """Write a file that is not there yet; which count it belongs to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink():
            raise ConfigError(f"{folder} is a link: export into a folder that holds none")
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        same = (folder / name).is_file() and (folder / name).read_bytes() == content
        return "there" if same else "differing"
    except OSError as error:
        raise ConfigError(f"cannot write into {folder}: {error.strerror}; give another folder") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        (folder / name).unlink(missing_ok=True)  # half a file would pass for the image
        raise ConfigError(f"cannot write into {folder}: {error.strerror}; free its disk") from error
    return "written"
