"""scanside series: what the database knows of each series, for people and for scripts."""

import argparse
import json
from collections.abc import Sequence
from typing import Annotated, Any

from sqlalchemy import Engine

from daemon.commands.option import within
from daemon.config import Settings, load_settings
from daemon.core.bounds import Range
from daemon.core.judging.gathering import Member
from daemon.edge.database.migrations import open_existing
from daemon.edge.database.outbox import Delivery, Outbox
from daemon.edge.database.results import Record, Results
from daemon.edge.database.studies.examinations import Examinations
from daemon.edge.files.reports import Reports


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("--json", action="store_true", help="one JSON object a series")
    parser.add_argument(
        "--limit", type=within(Annotated[int, Range(1, 10**9)]), default=1000, help="the newest so many"
    )


def run(options: argparse.Namespace) -> int:
    """Print a line, or an object, for each series."""
    for record in list_series(load_settings(options.config), options.limit):
        if options.json:
            print(json.dumps(record))
            continue
        verdict, cause = record["verdict"] or record["state"], record["cause"] or "-"
        print(f"{record['series'][-24:]:24} {record['images']:5} {verdict:12} {cause:8} {record['action'] or ''}")
        for name, reason in record["parked"].items():
            print(f"{'':24} parked for {name}: {reason}")
    return 0


def list_series(settings: Settings, limit: int) -> list[dict[str, Any]]:
    """The newest ``limit`` series and revisions, newest first, as plain JSON values.

    Raises:
        ConfigError: no daemon has run with this configuration yet.
    """
    with open_existing(settings.database_url) as engine:
        return read_series(engine, Reports(settings.reports), limit)


def read_series(engine: Engine, reports: Reports, limit: int) -> list[dict[str, Any]]:
    """The same of an open database: who looks again and again keeps it, for each new one compiles every statement."""
    records = Results(engine).records(limit)
    members = Examinations(engine).all_members({record.series_instance_uid for record in records})
    deliveries = Outbox(engine).of_series({record.series_instance_uid for record in records})
    by_series: dict[tuple[str, int], list[Delivery]] = {}
    for delivery in deliveries:
        by_series.setdefault((delivery.series_instance_uid, delivery.revision), []).append(delivery)
    keys = [(record.series_instance_uid, record.revision) for record in records]
    return [
        _entry(record, reports, by_series.get(key, [])) | {"joined": _joined(members.get(key, ()))}
        for key, record in zip(keys, records, strict=True)
    ]


def _joined(members: Sequence[Member]) -> list[dict[str, Any]]:
    """The series that were gathered to join it."""
    return [{"role": one.role, "series": one.series_instance_uid, "revision": one.revision} for one in members]


def _entry(record: Record, reports: Reports, deliveries: list[Delivery]) -> dict[str, Any]:
    verdict = record.verdict
    sr = record.objects.get("SR")
    picture = reports.picture(record.card_id, record.revision)
    return {
        "series": record.series_instance_uid,
        "revision": record.revision,
        "state": record.stage.value,
        "verdict": verdict.state.value if verdict else None,
        "cause": verdict.cause if verdict and verdict.cause else None,
        "action": verdict.action if verdict else None,
        "reasons": list(verdict.reasons) if verdict else [],
        "closed_by": record.closed_by.value,
        "partial": record.partial,
        "superseded": record.superseded,
        "images": record.images,
        "seconds": record.seconds,
        "sr": str(reports.path(sr)) if sr and not record.cleared else None,
        "picture": str(picture) if picture.exists() else None,
        "cleared": record.cleared,
        "parked": record.parked,
        "deliveries": [
            {
                "destination": delivery.destination,
                "kind": delivery.kind,
                "delivered": delivery.delivered_at,
                "trouble": delivery.trouble,
                "remark": delivery.remark,
                "commitment": delivery.commitment,
            }
            for delivery in deliveries
        ],
    }
