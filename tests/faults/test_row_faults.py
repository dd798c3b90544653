"""A row whose text was damaged costs itself: at a restart, on the page, in what retention and calibration read."""

import json
import threading
from types import SimpleNamespace

import pytest
from builders.images.series import classic
from builders.peers.receiver import encoded
from builders.running.assembly import assembled
from builders.running.database import opened
from builders.running.spool import association_end, receipt, spool_settings

from daemon.core.reception.completion import Completion, Patience
from daemon.core.values import State, Verdict
from daemon.edge.database.index import Index
from daemon.edge.database.inventory import Inventory
from daemon.edge.database.results import Published, Results
from daemon.edge.spool.writer import SpoolWriter
from daemon.edge.supervisor import Loop, Supervisor
from daemon.edge.web.board import SupervisedBoard

SERIES = [f"1.2.3.{number}" for number in range(4)]


@pytest.fixture
def engine(tmp_path):
    with opened(f"sqlite:///{tmp_path}/scanside.sqlite") as engine:
        yield engine


def look(engine, spool, now):
    assembly = assembled(spool, Index(engine, b"key"), Completion(Patience()))
    assembly.restore(0.0)
    return {series.series_instance_uid for series in assembly.turn(now)[1]}


def receive(spool):
    writer = SpoolWriter(spool_settings(spool))
    for series in SERIES:
        for k, image in enumerate(classic(SeriesInstanceUID=series)):
            draft = writer.draft()
            draft.add(encoded(image))
            writer.append(receipt(sop_instance_uid=f"{series}.{k}", association=series), draft)
            draft.close()
        writer.append(association_end(association=series))
    writer.close()


@pytest.mark.parametrize("text", ["{", "[]", "{}", "null", "[" * 100_000, json.dumps({"arrival": 7})])
def test_at_a_restart_an_illegible_instance_costs_its_series_alone(engine, tmp_path, text):
    receive(tmp_path / "spool")
    assert set() == look(engine, tmp_path / "spool", 0.0)
    with engine.begin() as connection:
        where = f"series_instance_uid = '{SERIES[0]}'"
        connection.exec_driver_sql(f"UPDATE instances SET body = ? WHERE {where}", (text,))
        connection.exec_driver_sql("INSERT INTO rhythms VALUES ('X', ?)", (text,))
        connection.exec_driver_sql("INSERT INTO step_reports VALUES ('1.9', 5.0, ?)", (text,))
    inventory = Inventory(engine)

    assert {*SERIES[1:]} == look(engine, tmp_path / "spool", 1e12)
    assert 1 == len(inventory.needed_segments())
    assert {*SERIES[1:]} == {*inventory.places().values()}
    assert 0 <= inventory.forget_ends(1e12)


def test_a_position_that_cannot_be_read_is_the_start_and_nothing_is_doubled(engine, tmp_path):
    receive(tmp_path / "spool")
    assert {*SERIES} == look(engine, tmp_path / "spool", 1e12)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE spool_position SET cursor = 'x'")

    assert set() == look(engine, tmp_path / "spool", 1e12)
    assert 4 == len(Results(engine).unjudged())


@pytest.mark.parametrize("column", ["verdict", "assessment", "seconds", "objects", "stage"])
def test_an_illegible_verdict_costs_its_card_alone(engine, tmp_path, column):
    receive(tmp_path / "spool")
    look(engine, tmp_path / "spool", 1e12)
    results, verdict = Results(engine), Verdict(state=State.ACCEPT, action="")
    published = Published(verdict=verdict, assessment=None, description="", seconds={}, objects={}, bundle="b", at=1.0)
    for series in SERIES:
        results.publish(series, 1, published, [])
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE series SET {column} = '{{' WHERE series_instance_uid = '{SERIES[0]}'")

    cards, scored = ({one.series_instance_uid for one in found} for found in (results.records(40), results.scored()))

    assert {*SERIES[1:]} == (scored if column == "assessment" else cards)
    assert {*SERIES[1:]} <= cards & scored


def test_a_page_whose_cards_fail_shows_what_it_showed_last():
    counted, cards = [], ["first", ZeroDivisionError(), "last"]

    def next_cards():
        found = cards.pop(0)
        if isinstance(found, Exception):
            raise found
        return [found]

    board = SimpleNamespace(version=lambda: 7, current=next_cards, picture=lambda _: 1 / 0, exam=lambda _: 1 / 0)
    shown = SupervisedBoard(board, Supervisor(threading.Event(), counted.append))

    assert [["first"], ["first"], ["last"]] == [shown.current() for _ in range(3)]
    assert (7, None, None) == (shown.version(), shown.picture("card"), shown.exam("exam"))
    assert [Loop.PAGE] * 3 == counted
