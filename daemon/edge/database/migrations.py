"""From each older database to the newest, step by numbered step; a database of newer software is refused.

Never change a step that was released: add the next one. ``schema.METADATA`` is the newest shape, which a new database
gets at once; a test holds that the steps lead to it.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from daemon.core.errors import ConfigError, DatabaseDamaged, DatabaseGone
from daemon.edge.database import schema
from daemon.edge.database.patience import DAMAGED_WORDS, is_damaged, is_gone
from daemon.edge.private import create

_number = sa.Table("schema_number", schema.METADATA, sa.Column("number", sa.Integer, primary_key=True))
#: Any constant will do; it keeps apart processes that open the database at once (PostgreSQL advisory lock).
_LOCK = 0x5CA75
_SERIES_TEXTS = {"description": "''", "seconds": "'{}'", "objects": "'{}'", "bundle": "''"}


def open_database(url: str) -> sa.Engine:
    """Connect, and bring the tables to their newest shape.

    Raises:
        ConfigError: the database cannot be reached, or newer software made it.
    """
    engine = connect(url)
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        prepare(engine)
        stack.pop_all()
    return engine


def connect(url: str) -> sa.Engine:
    """An engine for a database, which need not answer yet.

    Raises:
        ConfigError: the URL is none.
    """
    try:
        return schema.connect(url)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as error:
        raise ConfigError(f"`database` names none ({error}): write a postgresql:// URL, or leave it out") from error


def prepare(engine: sa.Engine) -> None:
    """Bring the tables to their newest shape.

    Raises:
        DatabaseGone: the database cannot be reached.
        DatabaseDamaged: it is broken.
        ConfigError: newer software made it.
    """
    if engine.dialect.name == "sqlite" and engine.url.database:
        with suppress(OSError):  # it is there, or SQLite will say why it cannot be
            create(Path(engine.url.database), os.O_EXCL).close()  # its -wal and -shm take over its mode
    try:
        with _alone(engine) as connection:
            _migrate(connection)
    except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
        if is_damaged(error):
            engine.dispose()  # of the connections to what a person will move away
            raise DatabaseDamaged(DAMAGED_WORDS) from error
        if not is_gone(error):
            raise
        raise DatabaseGone(
            f"the database cannot be opened ({getattr(error, 'orig', error)}): check `database`, and its server"
        ) from error


@contextmanager
def open_existing(url: str) -> Iterator[sa.Engine]:
    """Connect to a database that a daemon has made, for a while.

    Raises:
        ConfigError: there is none yet, it cannot be reached, or newer software made it.
    """
    place = sa.make_url(url)
    if place.drivername == "sqlite" and not Path(str(place.database)).exists():
        raise ConfigError(f"no {place.database}: run the daemon with this configuration first")
    engine = open_database(url)
    try:
        yield engine
    finally:
        engine.dispose()


def _migrate(connection: sa.Connection) -> None:
    if not sa.inspect(connection).has_table(schema.series.name):
        schema.METADATA.create_all(connection)
        connection.execute(sa.insert(schema.changes), {"id": 1, "number": 0})
        connection.execute(sa.insert(_number), {"number": len(_STEPS)})
        return
    if not sa.inspect(connection).has_table(_number.name):
        _number.create(connection)
        connection.execute(sa.insert(_number), {"number": 0})
    found = connection.execute(sa.select(_number.c.number)).scalar_one()
    if found > len(_STEPS):
        raise ConfigError(f"the database is of a newer version ({found} after {len(_STEPS)}): update this software")
    for step in _STEPS[found:]:
        step(connection)
    connection.execute(sa.update(_number).values(number=len(_STEPS)))


def _unnumbered(connection: sa.Connection) -> None:
    """1: columns that came before the steps had numbers."""
    for name, default in _SERIES_TEXTS.items():
        _add(connection, "series", f"{name} TEXT NOT NULL DEFAULT {default}")


def _outbox(connection: sa.Connection) -> None:
    """2: deliveries are taken from their table in order of urgency; workers are known; changes are counted."""
    for described in (
        f"owed_at FLOAT NOT NULL DEFAULT {time.time()}",  # what an older version owes is as old as this step
        "urgency INTEGER NOT NULL DEFAULT 9",
        "attempts INTEGER NOT NULL DEFAULT 0",
        "due_at FLOAT NOT NULL DEFAULT 0",
        "claimed_by TEXT",
        "trouble TEXT NOT NULL DEFAULT ''",
        "remark TEXT NOT NULL DEFAULT ''",
    ):
        _add(connection, "deliveries", described)
    connection.exec_driver_sql("CREATE INDEX deliveries_owed ON deliveries (destination, delivered_at, parked)")
    connection.exec_driver_sql("CREATE TABLE changes (id INTEGER NOT NULL PRIMARY KEY, number INTEGER NOT NULL)")
    connection.exec_driver_sql("INSERT INTO changes SELECT 1, coalesce(max(version), 0) FROM series")
    connection.exec_driver_sql(
        "CREATE TABLE workers (worker TEXT NOT NULL PRIMARY KEY, machine TEXT NOT NULL, "
        "pid INTEGER NOT NULL, beats INTEGER NOT NULL)"
    )


def _pledges(connection: sa.Connection) -> None:
    """3: storage commitment."""
    _add(connection, "deliveries", "commitment TEXT NOT NULL DEFAULT ''")
    _add(connection, "deliveries", "transaction_uid TEXT")
    _add(connection, "deliveries", "commit_at FLOAT NOT NULL DEFAULT 0")
    connection.exec_driver_sql("CREATE INDEX ix_deliveries_transaction_uid ON deliveries (transaction_uid)")


def _attempts(connection: sa.Connection) -> None:
    """4: how often a series was begun."""
    _add(connection, "series", "attempts INTEGER NOT NULL DEFAULT 0")


def _steps(connection: sa.Connection) -> None:
    """5: reports of procedure steps, and how long each scanner pauses."""
    connection.exec_driver_sql(
        "CREATE TABLE IF NOT EXISTS step_reports (step_uid TEXT NOT NULL, reported_at FLOAT NOT NULL, "
        "body TEXT NOT NULL, PRIMARY KEY (step_uid, reported_at))"
    )
    connection.exec_driver_sql(
        "CREATE TABLE IF NOT EXISTS rhythms (calling_ae TEXT NOT NULL PRIMARY KEY, pauses TEXT NOT NULL)"
    )


def _turns(connection: sa.Connection) -> None:
    """6: scanners take turns; what an older version left waiting stays in its order of closing."""
    _add(connection, "series", "turn INTEGER NOT NULL DEFAULT 1")


def _cohorts(connection: sa.Connection) -> None:
    """7: cohorts, their series and the answers."""
    connection.exec_driver_sql("CREATE TABLE cohorts (cohort TEXT NOT NULL PRIMARY KEY, judge TEXT NOT NULL)")
    connection.exec_driver_sql(
        "CREATE TABLE cohort_series (cohort TEXT NOT NULL, series TEXT NOT NULL, files TEXT NOT NULL, "
        "revision INTEGER NOT NULL, attempts INTEGER NOT NULL, answered_at FLOAT, answer TEXT, "
        "passing BOOLEAN NOT NULL, PRIMARY KEY (cohort, series))"
    )
    connection.exec_driver_sql("CREATE INDEX cohort_series_answered ON cohort_series (cohort, answered_at)")


def _cleared(connection: sa.Connection) -> None:
    """8: reports leave the disk."""
    _add(connection, "series", "reference TEXT NOT NULL DEFAULT ''")
    _add(connection, "series", "cleared_at FLOAT")


def _alerts(connection: sa.Connection) -> None:
    """9: alerts are owed until their end; what an older version left under way is adopted by the workers."""
    connection.exec_driver_sql(
        "CREATE TABLE alerts (series_instance_uid TEXT NOT NULL, revision INTEGER NOT NULL, target TEXT NOT NULL, "
        "withdrawal BOOLEAN NOT NULL, owed_at FLOAT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, "
        "due_at FLOAT NOT NULL DEFAULT 0, claimed_by TEXT, trouble TEXT NOT NULL DEFAULT '', outcome TEXT, "
        "settled_at FLOAT, PRIMARY KEY (series_instance_uid, revision, target))"
    )
    connection.exec_driver_sql("CREATE INDEX alerts_owed ON alerts (target, outcome)")


def _reasons(connection: sa.Connection) -> None:
    """10: why a series was not judged is said without naming what is judged."""
    older, newer = "no head found in the images", "what this model judges is not in the images"
    verdict: sa.ColumnClause[str] = sa.column("verdict", sa.Text)
    reworded = sa.func.replace(verdict, f'"not_assessed": "{older}"', f'"not_assessed": "{newer}"')
    series = sa.table("series", verdict)
    connection.execute(sa.update(series).where(verdict.contains(older)).values(verdict=reworded))


def _exams(connection: sa.Connection) -> None:
    """11: exams and what people answered; series of before are given an exam when the daemon starts."""
    number = "SERIAL" if connection.dialect.name == "postgresql" else "INTEGER"
    connection.exec_driver_sql(
        "CREATE TABLE exams (exam_id TEXT NOT NULL PRIMARY KEY, scanner TEXT NOT NULL, "
        "study_instance_uid TEXT NOT NULL, patient TEXT NOT NULL, hint TEXT NOT NULL, hint_kind TEXT NOT NULL, "
        "began_at FLOAT NOT NULL, acquired TEXT NOT NULL, over_at FLOAT)"
    )
    connection.exec_driver_sql("CREATE INDEX ix_exams_scanner ON exams (scanner)")
    connection.exec_driver_sql(
        "CREATE TABLE exam_series (series_instance_uid TEXT NOT NULL PRIMARY KEY, exam_id TEXT NOT NULL, "
        "protocol TEXT NOT NULL, number INTEGER, began_at FLOAT NOT NULL)"
    )
    connection.exec_driver_sql("CREATE INDEX ix_exam_series_exam_id ON exam_series (exam_id)")
    connection.exec_driver_sql(
        f"CREATE TABLE answers (id {number} NOT NULL PRIMARY KEY, card_id TEXT NOT NULL, revision INTEGER NOT NULL, "
        "state TEXT NOT NULL, choice TEXT NOT NULL, reason TEXT NOT NULL, answered_by TEXT NOT NULL, "
        "answered_at FLOAT NOT NULL)"
    )
    connection.exec_driver_sql("CREATE INDEX ix_answers_card_id ON answers (card_id)")


def _pasts(connection: sa.Connection) -> None:
    """12: what was accepted of each protocol."""
    connection.exec_driver_sql(
        "CREATE TABLE pasts (series_instance_uid TEXT NOT NULL PRIMARY KEY, scanner TEXT NOT NULL, "
        "protocol TEXT NOT NULL, bundle TEXT NOT NULL, judged_at FLOAT NOT NULL, body TEXT NOT NULL)"
    )
    connection.exec_driver_sql("CREATE INDEX pasts_protocol ON pasts (scanner, protocol, judged_at)")


def _access(connection: sa.Connection) -> None:
    """13: users, their sessions, and the trail of what people did."""
    number = "SERIAL" if connection.dialect.name == "postgresql" else "INTEGER"
    connection.exec_driver_sql(
        "CREATE TABLE users (name TEXT NOT NULL PRIMARY KEY, role TEXT NOT NULL, password TEXT NOT NULL)"
    )
    connection.exec_driver_sql(
        "CREATE TABLE sessions (digest TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, began_at FLOAT NOT NULL, "
        "seen_at FLOAT NOT NULL)"
    )
    connection.exec_driver_sql("CREATE INDEX ix_sessions_name ON sessions (name)")
    connection.exec_driver_sql(
        f"CREATE TABLE audit (id {number} NOT NULL PRIMARY KEY, at FLOAT NOT NULL, who TEXT NOT NULL, "
        "address TEXT NOT NULL, deed TEXT NOT NULL, subject TEXT NOT NULL)"
    )
    connection.exec_driver_sql("CREATE INDEX ix_audit_at ON audit (at)")


_STEPS: tuple[Callable[[sa.Connection], None], ...] = (
    _unnumbered,
    _outbox,
    _pledges,
    _attempts,
    _steps,
    _turns,
    _cohorts,
    _cleared,
    _alerts,
    _reasons,
    _exams,
    _pasts,
    _access,
)


def _add(connection: sa.Connection, table: str, described: str) -> None:
    """Add a column that is not there yet."""
    columns = {column["name"] for column in sa.inspect(connection).get_columns(table)}
    if described.split(maxsplit=1)[0] not in columns:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {described}")


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that no other process migrates beside: all of it holds, or nothing."""
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            yield connection
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # Python's driver opens none before DDL by itself
        outcome = "ROLLBACK"
        try:
            yield connection
            outcome = "COMMIT"
        finally:
            connection.exec_driver_sql(outcome)
