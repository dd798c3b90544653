"""Databases of every age come to one shape, with their rows; one from the future is refused."""

import threading

import pytest
import sqlalchemy as sa
from builders.running.database import opened
from builders.running.outbox import owe

from daemon.core.errors import ConfigError
from daemon.core.values import State
from daemon.edge.database.migrations import open_database, open_existing
from daemon.edge.database.outbox import Outbox
from daemon.edge.database.results import Results

#: What later steps added, newest first; taking it away gives the database of a time before.
STEPS = (
    (
        "DROP INDEX cohort_series_study",
        "ALTER TABLE cohort_series DROP COLUMN study",
        "UPDATE schema_number SET number = 15",
    ),
    ("DROP TABLE offers", "DROP TABLE members", "UPDATE schema_number SET number = 14"),
    (
        "DROP TABLE service_calls",
        "DROP TABLE service_alerts",
        "ALTER TABLE series DROP COLUMN software",
        "UPDATE schema_number SET number = 13",
    ),
    ("DROP TABLE users", "DROP TABLE sessions", "DROP TABLE audit", "UPDATE schema_number SET number = 12"),
    ("DROP TABLE pasts", "UPDATE schema_number SET number = 11"),
    ("DROP TABLE exams", "DROP TABLE exam_series", "DROP TABLE answers", "UPDATE schema_number SET number = 10"),
    ("UPDATE schema_number SET number = 9",),
    ("DROP TABLE alerts", "UPDATE schema_number SET number = 8"),
    (
        *(f"ALTER TABLE series DROP COLUMN {name}" for name in ("reference", "cleared_at")),
        "UPDATE schema_number SET number = 7",
    ),
    ("DROP TABLE cohorts", "DROP TABLE cohort_series", "UPDATE schema_number SET number = 6"),
    ("ALTER TABLE series DROP COLUMN turn", "UPDATE schema_number SET number = 5"),
    ("DROP TABLE rhythms", "DROP TABLE step_reports", "UPDATE schema_number SET number = 4"),
    ("ALTER TABLE series DROP COLUMN attempts", "UPDATE schema_number SET number = 3"),
    (
        "DROP INDEX ix_deliveries_transaction_uid",
        *(f"ALTER TABLE deliveries DROP COLUMN {name}" for name in ("commitment", "transaction_uid", "commit_at")),
        "UPDATE schema_number SET number = 2",
    ),
    (
        "DROP TABLE workers",
        "DROP TABLE changes",
        "DROP INDEX deliveries_owed",
        *(
            f"ALTER TABLE deliveries DROP COLUMN {name}"
            for name in ("owed_at", "urgency", "attempts", "due_at", "claimed_by", "trouble", "remark")
        ),
        "UPDATE schema_number SET number = 1",
    ),
    ("ALTER TABLE series DROP COLUMN bundle", "DROP TABLE schema_number"),
)


def shape(engine):
    found = sa.inspect(engine)
    return {
        table: (
            {(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(table)},
            {index["name"] for index in found.get_indexes(table)},
        )
        for table in found.get_table_names()
    }


def aged(url, steps):
    """The database as it was some steps ago."""
    engine = open_database(url)
    newest = shape(engine)
    owe(engine, 1, State.RESCAN)
    with engine.begin() as connection:
        for statements in STEPS[:steps]:
            for statement in statements:
                connection.exec_driver_sql(statement)
    engine.dispose()
    return newest


@pytest.mark.parametrize("steps", range(1, 12))
def test_an_older_database_comes_to_the_newest_shape_and_keeps_what_it_owes(url, steps):
    newest = aged(url, steps)
    for _ in range(2):
        engine = open_database(url)
        (record,) = Results(engine).records(10)

        assert newest == shape(engine)
        assert State.RESCAN is record.verdict.state
        assert Results(engine).version() >= 1
        assert Outbox(engine).claim("pacs", "w", 1e12) is not None
        engine.dispose()


def test_many_processes_may_open_an_old_database_at_once(url):
    aged(url, 8)
    engines, errors = [], []

    def open_it() -> None:
        try:
            engines.append(open_database(url))
        except sa.exc.SQLAlchemyError as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.dispose()

    assert ([], 4) == (errors, len(engines))


def test_a_database_of_newer_software_is_refused(url):
    engine = open_database(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE schema_number SET number = 99")
    engine.dispose()
    with pytest.raises(ConfigError, match="update this software"):
        open_database(url)


@pytest.mark.parametrize(
    "wrong", ["postgresql://tester@127.0.0.1:1/none", "oracle9://x", "no url", "sqlite:////no/such/folder/x.sqlite"]
)
def test_a_database_that_cannot_be_opened_is_said_to_be(wrong):
    with pytest.raises(ConfigError, match="database"):
        open_database(wrong)


def test_a_database_that_no_daemon_made_is_not_made_by_looking(tmp_path):
    with pytest.raises(ConfigError, match="run the daemon"), open_existing(f"sqlite:///{tmp_path}/scanside.sqlite"):
        pass
    assert [] == list(tmp_path.iterdir())


def test_whoever_only_looks_into_a_database_writes_nothing(url):
    with opened(url) as engine, engine.connect() as watching:
        of_file = engine.dialect.name == "sqlite"
        newest = "PRAGMA data_version" if of_file else "SELECT xmin::text FROM schema_number"
        before = watching.exec_driver_sql(newest).scalar_one()
        with open_existing(url):
            pass

        assert before == watching.exec_driver_sql(newest).scalar_one()
