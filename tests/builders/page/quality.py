"""Weeks of judged heads as rows of the database."""

import json

import numpy as np
import sqlalchemy as sa

from daemon.core.people.card import Answer, Choice
from daemon.core.trends.drift import week_of
from daemon.core.values import ClosedBy, Stage, State
from daemon.edge.database import schema
from daemon.edge.database.answers import Answers

WEEK_S = 7 * 86400.0


def assessment(values):
    measures = [{"name": name, "value": value, "evidence": "image", "unit": "1"} for name, value in values.items()]
    return {"primary": next(iter(values)), "measures": measures}


def row(number, at, values, **changes):
    """One judged series as the table has it."""
    verdict = {"state": State.ACCEPT.value, "action": "go on", "cause": None, "cause_word": "", "reasons": []}
    return {
        "series_instance_uid": f"1.2.3.{number}",
        "revision": 1,
        "study_instance_uid": f"1.2.4.{number}",
        "card_id": f"card{number}",
        "version": number,
        "calling_ae": "SCANNER",
        "stage": Stage.DONE.value,
        "images": 176,
        "closed_by": ClosedBy.GEOMETRY.value,
        "closed_at": at + 1,
        "last_received_at": at,
        "partial": False,
        "description": "t1_mprage",
        "verdict": json.dumps(verdict | changes.pop("verdict", {})),
        "assessment": json.dumps(assessment(values)),
        "seconds": json.dumps({"close": 1.0, "queue": 0.1, "verdict": 4.0}),
        "objects": "{}",
        "bundle": "digest",
        "software": "syngo MR E11",
    } | changes


def fill(engine: sa.Engine, weeks, now, *, sound=None, loss=0.02, each=40, **changes) -> None:  # noqa: PLR0913 - what weeks are
    """Weeks of heads up to the week of ``now``; from week ``sound`` on their signal falls."""
    rng, start = np.random.default_rng(0), week_of(now) - weeks * WEEK_S
    rows = []
    for week in range(weeks):
        for head in range(each):
            fallen = 0 if sound is None else max(0, week - sound + 1)
            snr = 20 * np.exp(0.15 * rng.standard_normal()) * (1 - loss) ** fallen
            values = {"snr": float(snr), "blur": float(rng.normal(3, 0.2))}
            at = start + week * WEEK_S + (head + 0.5) * WEEK_S / each
            rows.append(row(len(rows) + 1, at, values, **changes))
    with engine.begin() as connection:
        connection.execute(sa.insert(schema.series), rows)
        connection.execute(sa.update(schema.changes).values(number=len(rows)))


def tell_history(engine: sa.Engine, at: float = 1.8e9) -> None:
    """A series of two revisions whose every free text names the patient."""
    measures = [
        {
            "name": "snr",
            "value": 12.0,
            "evidence": "image",
            "unit": "ratio",
            "limit": None,
            "p_value": 0.5,
            "level": 0.05,
        },
        {"name": "blur", "value": float("nan"), "evidence": "image", "unit": "1", "limit": 2.0},
        {"name": "ghost", "value": 3.0, "evidence": "image", "unit": "1", "limit": 2.0},
    ]
    found = {"primary": "blur", "measures": measures, "reference": "scanner SCANNER, protocol Mustermann"}
    text = json.dumps(found | {"remarks": ["DeviceSerialNumber SERIAL4711"]})
    verdict = {"state": "RESCAN", "action": "repeat", "reasons": ["ghost above that of Mustermann"], "cause": "ghost"}
    first = row(7, at, {"snr": 1.0}, verdict=verdict, assessment=text, description="t1 Mustermann", cleared_at=at + 99)
    later = first | {"revision": 2, "last_received_at": at + 60, "closed_at": at + 61, "cleared_at": None}
    delivery = {"sop_instance_uid": "2.25.1", "series_instance_uid": "1.2.3.7", "revision": 1, "kind": "SR"}
    delivery |= {"destination": "PACS-HOSPITAL", "owed_at": at + 4, "delivered_at": at + 9, "parked": None}
    refused = {"sop_instance_uid": "2.25.2", "parked": "Mustermann is unknown", "kind": "SC", "delivered_at": None}
    refused = delivery | refused
    alert = {"series_instance_uid": "1.2.3.7", "revision": 1, "target": "alert-1", "withdrawal": False}
    alert |= {"owed_at": at + 4, "settled_at": at + 5, "outcome": "delivered"}
    with engine.begin() as connection:
        connection.execute(sa.insert(schema.series), [first, later])
        connection.execute(
            sa.insert(schema.deliveries),
            [delivery | {"delivered_at": at + 9, "parked": None}, refused | {"delivered_at": None}],
        )
        connection.execute(
            sa.insert(schema.alerts), [alert | {"owed_at": at + 4, "settled_at": at + 5, "outcome": "delivered"}]
        )
    answer = Answer(choice=Choice.REPEATED, state=State.RESCAN, reason="Mustermann moved", by="Mustermann", at=at + 30)
    Answers(engine).give("card7", 1, answer)
