"""From judged series in the database to a call for service at a real sink; settled, it begins anew."""

import re
import threading
from dataclasses import replace
from datetime import datetime

import pytest
import sqlalchemy as sa
from builders.page.quality import WEEK_S, fill, row
from builders.running.database import opened
from prometheus_client import CollectorRegistry

from daemon.core.errors import DeliveryFailed
from daemon.core.people.words import Language
from daemon.core.sending.messages import Messages
from daemon.core.trends.drift import week_of
from daemon.edge.database import schema
from daemon.edge.database.trends.calls import Calls
from daemon.edge.database.trends.quality import Quality
from daemon.edge.supervisor import Supervisor
from daemon.edge.telemetry.metrics import make_metrics
from daemon.sending.servicing import DriftWatch, ServiceAlerter, ServiceDesk, compose_call

NOW = week_of(1.8e9) + 3600


class Target:
    """One target of alerts, which may be away."""

    name = "alert-1"

    def __init__(self):
        self.told, self.away = [], False

    def send(self, alert):
        if self.away:
            raise DeliveryFailed("away")
        self.told.append(alert)


@pytest.fixture
def engine(url):
    with opened(url) as engine:
        yield engine


def desk(engine, clock=lambda: NOW):
    return ServiceDesk(
        quality=Quality(engine, {"SCANNER": "MR 1"}, clock),
        calls=Calls(engine),
        targets=("alert-1", "alert-2"),
        page="http://page/",
        metrics=make_metrics(CollectorRegistry()),
        supervisor=Supervisor(threading.Event()),
        clock=clock,
    )


def owed(engine):
    with engine.connect() as connection:
        return connection.execute(sa.select(schema.service_alerts)).mappings().all()


def test_a_coil_that_fails_is_told_to_each_target_once(engine):
    fill(engine, 30, NOW, sound=22)
    watch = DriftWatch(desk(engine))
    watch.turn()
    watch.turn()
    DriftWatch(desk(engine)).turn()  # another process, after a restart
    (call,) = Calls(engine).of_scanner("MR 1")

    assert ["snr"] == [one.measure for one in call.findings]
    assert -0.25 < call.findings[0].shift.change < -0.03
    assert [("alert-1", None), ("alert-2", None)] == [(one["target"], one["outcome"]) for one in owed(engine)]


def test_a_scanner_that_does_not_change_calls_nobody(engine):
    fill(engine, 30, NOW)
    DriftWatch(desk(engine)).turn()

    assert [] == owed(engine)


def test_the_week_under_way_is_not_judged(engine):
    fill(engine, 30, NOW + WEEK_S, sound=29, loss=0.5)
    found = desk(engine)
    DriftWatch(found).turn()
    assert [] == owed(engine)
    DriftWatch(replace(found, clock=lambda: NOW + WEEK_S)).turn()

    assert 2 == len(owed(engine))


def test_an_alert_is_tried_until_it_arrives_and_names_no_patient(engine):
    fill(engine, 30, NOW, sound=22)
    clock = [NOW]
    found, target = desk(engine, lambda: clock[0]), Target()
    DriftWatch(found).turn()
    alerter = ServiceAlerter(found, target)
    target.away = True
    alerter.turn()
    assert 1 == {one["target"]: one["attempts"] for one in owed(engine)}["alert-1"]
    alerter.turn()  # not due yet
    target.away, clock[0] = False, NOW + 120
    alerter.turn()
    alerter.turn()

    (alert,) = target.told
    assert "Call service for MR 1" == alert.title
    assert "snr -" in alert.body
    assert "http://page/quality/MR%201" in alert.body
    assert not any(word in alert.title + alert.body for word in ("mprage", "1.2.3", "SCANNER"))
    assert "delivered" == {one["target"]: one["outcome"] for one in owed(engine)}["alert-1"]
    counted = {one: found.metrics.service_alerts.labels(one)._value.get() for one in ("failed", "delivered")}  # noqa: SLF001
    assert {"failed": 1, "delivered": 1} == counted
    assert 0 == found.metrics.alerts.labels("failed")._value.get()  # noqa: SLF001 - that one is of rescans


def test_what_was_seen_to_is_told_to_nobody_else_and_measures_begin_anew(engine):
    fill(engine, 30, NOW, sound=22)
    found, target = desk(engine), Target()
    DriftWatch(found).turn()
    (call,) = found.calls.standing()

    assert found.calls.settle(call.call_id, "anna", NOW)
    assert not found.calls.settle(call.call_id, "anna", NOW)
    ServiceAlerter(found, target).turn()
    DriftWatch(found).turn()
    assert ([], []) == (target.told, list(found.calls.standing()))
    assert 1 == len(found.calls.of_scanner("MR 1"))


def test_what_changes_in_the_database_is_taken_up_and_older_revisions_never_come_back(engine):
    quality = desk(engine).quality
    rows = [
        row(1, NOW - 100, {"snr": 20.0}),
        row(2, NOW - 50, {"snr": 21.0}, series_instance_uid="1.2.3.1", revision=2),
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(schema.series), rows)
        connection.execute(sa.update(schema.changes).values(number=2))
    assert [21.0] == [one.value("snr") for one in quality.scanner("MR 1")]
    with engine.begin() as connection:
        first = (schema.series.c.revision == 1,)
        connection.execute(sa.update(schema.series).where(*first).values(version=3))
        connection.execute(sa.update(schema.changes).values(number=3))

    assert [21.0] == [one.value("snr") for one in quality.scanner("MR 1")]


def test_a_damaged_row_costs_itself(engine):
    with engine.begin() as connection:
        connection.execute(
            sa.insert(schema.series), [row(1, NOW - 9, {"snr": 20.0}, assessment="{"), row(2, NOW, {"snr": 2.0})]
        )
        connection.execute(sa.update(schema.changes).values(number=2))

    assert [2.0] == [one.value("snr") for one in desk(engine).quality.scanner("MR 1")]


def test_an_alerts_words_fit_a_lock_screen(engine):
    fill(engine, 30, NOW, sound=22)
    found = desk(engine)
    DriftWatch(found).turn()
    call = found.calls.standing()[0]
    alert, german = (compose_call(call, "http://page", Messages(language)) for language in Language)

    assert len(alert.title) < 64
    assert ("Service rufen für MR 1", alert.body.splitlines()[1]) == (german.title, german.body.splitlines()[1])
    (since,) = re.findall(r"since about (\S+):", alert.body)
    assert 0 < NOW - datetime.fromisoformat(f"{since}T00:00+00:00").timestamp() < 12 * WEEK_S
