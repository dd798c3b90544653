"""The tables, and a database that holds them: SQLite by default."""

from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

METADATA = sa.MetaData()

position = sa.Table(
    "spool_position",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("cursor", sa.Text, nullable=False),
)
instances = sa.Table(
    "instances",
    METADATA,
    sa.Column("series_instance_uid", sa.Text, primary_key=True),
    sa.Column("sop_instance_uid", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, index=True),  # the revision that closed over it first; NULL while open
    sa.Column("body", sa.Text, nullable=False),
)
associations = sa.Table(
    "association_ends",
    METADATA,
    sa.Column("association", sa.Text, primary_key=True),
    sa.Column("ended_at", sa.Float, nullable=False),
    sa.Column("aborted", sa.Boolean, nullable=False),
)
step_reports = sa.Table(
    "step_reports",
    METADATA,
    sa.Column("step_uid", sa.Text, primary_key=True),
    sa.Column("reported_at", sa.Float, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)
rhythms = sa.Table(
    "rhythms",
    METADATA,
    sa.Column("calling_ae", sa.Text, primary_key=True),
    sa.Column("pauses", sa.Text, nullable=False),
)
series = sa.Table(
    "series",
    METADATA,
    sa.Column("series_instance_uid", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("study_instance_uid", sa.Text, nullable=False),
    sa.Column("card_id", sa.Text, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False, index=True),
    sa.Column("calling_ae", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False, index=True),
    sa.Column("images", sa.Integer, nullable=False),
    sa.Column("closed_by", sa.Text, nullable=False),
    sa.Column("closed_at", sa.Float, nullable=False),
    sa.Column("last_received_at", sa.Float, nullable=False),
    sa.Column("partial", sa.Boolean, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("verdict", sa.Text),
    sa.Column("assessment", sa.Text),
    sa.Column("seconds", sa.Text, nullable=False, server_default="{}"),
    sa.Column("objects", sa.Text, nullable=False, server_default="{}"),
    sa.Column("bundle", sa.Text, nullable=False, server_default=""),  # digest of the one that judged
)
deliveries = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("sop_instance_uid", sa.Text, primary_key=True),
    sa.Column("destination", sa.Text, primary_key=True),
    sa.Column("series_instance_uid", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("delivered_at", sa.Float),
    sa.Column("parked", sa.Text),
)


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file."""
    return f"sqlite:///{path}"


def open_database(url: str) -> sa.Engine:
    """Connect; create the tables, and in older databases the columns, that are missing."""
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
    METADATA.create_all(engine)
    for table in METADATA.sorted_tables:
        for column in table.columns:
            _add_if_missing(engine, column)
    return engine


def insert_or_ignore(engine: sa.Engine, table: sa.Table) -> sa.Insert:
    """An insert that leaves rows alone that are already there: recording twice is recording once."""
    if engine.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def next_version(connection: sa.Connection) -> int:
    """The number that the next change of any series gets."""
    return int(connection.execute(sa.select(sa.func.max(series.c.version))).scalar() or 0) + 1


def _add_if_missing(engine: sa.Engine, column: sa.Column[Any]) -> None:
    """Give an older database a column that came later; such a column has a server default, for the rows it finds."""
    if _has(engine, column):
        return
    described = str(sa.schema.CreateColumn(column).compile(engine))
    try:
        with engine.begin() as connection:
            connection.execute(sa.text(f"ALTER TABLE {column.table.name} ADD COLUMN {described}"))
    except sa.exc.DBAPIError:
        if not _has(engine, column):  # else another process of this host was first
            raise


def _has(engine: sa.Engine, column: sa.Column[Any]) -> bool:
    return column.name in {found["name"] for found in sa.inspect(engine).get_columns(column.table.name)}


def _configure_sqlite(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the DBAPI's own objects
    """Write-ahead log, durable commits, and patience with the other writers of this host."""
    with closing(connection.cursor()) as cursor:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=20000"):
            cursor.execute(f"PRAGMA {pragma}")
