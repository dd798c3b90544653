"""From each older database to the newest, step by numbered step; a database of newer software is refused.

Never change a step that was released (``steps/``): add the next one. ``schema.METADATA`` is the newest shape, which a
new database gets at once; a test holds that the steps lead to it.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from daemon.core.errors import ConfigError, DatabaseDamaged, DatabaseGone
from daemon.edge.database import schema
from daemon.edge.database.patience import DAMAGED_WORDS, is_damaged, is_gone
from daemon.edge.database.steps import until_8, until_16
from daemon.edge.database.studies.tables import METADATA
from daemon.edge.private import create

_number = sa.Table("schema_number", METADATA, sa.Column("number", sa.Integer, primary_key=True))
#: Any constant will do; it keeps apart processes that open the database at once (PostgreSQL advisory lock).
_LOCK = 0x5CA75
#: A server whose machine or network is gone says nothing: how long it is waited for (libpq; the URL may differ).
_WAITING = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
#: Milliseconds after which the server ends a transaction whose process says nothing more, and frees what it locked.
_SILENT_MS = 15_000
_STEPS: tuple[Callable[[sa.Connection], None], ...] = (
    until_8.unnumbered,
    until_8.outbox,
    until_8.pledges,
    until_8.attempts,
    until_8.steps,
    until_8.turns,
    until_8.cohorts,
    until_8.cleared,
    until_16.alerts,
    until_16.reasons,
    until_16.exams,
    until_16.pasts,
    until_16.access,
    until_16.quality,
    until_16.studies,
    until_16.cohort_studies,
)


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
        return _connect(url)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as error:
        raise ConfigError(f"`database` names none ({error}): write a postgresql:// URL, or leave it out") from error


def _connect(url: str) -> sa.Engine:
    if url.startswith(("postgresql:", "postgres:")):
        url = _bounded(f"postgresql+psycopg:{url.split(':', 1)[1]}")
    engine = sa.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    sqlite = engine.dialect.name == "sqlite"
    sa.event.listen(engine, "connect", _configure_sqlite if sqlite else _configure_postgresql)
    return engine


def _bounded(url: str) -> str:
    place = sa.make_url(url)
    return place.update_query_dict({**_WAITING, **place.query}).render_as_string(hide_password=False)


def _configure_sqlite(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the DBAPI's own objects
    """Write-ahead log, durable commits, and patience with the other writers of this host."""
    with closing(connection.cursor()) as cursor:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=20000"):
            cursor.execute(f"PRAGMA {pragma}")


def _configure_postgresql(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the DBAPI's own objects
    """A process that stops in the midst of a transaction must not keep its locks: everybody would wait for it."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = {_SILENT_MS}")
    connection.commit()


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
    if found == len(_STEPS):
        return  # nothing is written by whoever only looks
    for step in _STEPS[found:]:
        step(connection)
    connection.execute(sa.update(_number).values(number=len(_STEPS)))


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that no other process migrates beside: all of it holds, or nothing."""
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))  # a step may compute
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
