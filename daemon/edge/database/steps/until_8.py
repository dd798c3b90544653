"""Steps 1 to 8."""

import time
from typing import Final

import sqlalchemy as sa

from daemon.edge.database.steps.columns import add_column

_SERIES_TEXTS: Final = {"description": "''", "seconds": "'{}'", "objects": "'{}'", "bundle": "''"}


def unnumbered(connection: sa.Connection) -> None:
    """1: columns that came before the steps had numbers."""
    for name, default in _SERIES_TEXTS.items():
        add_column(connection, "series", f"{name} TEXT NOT NULL DEFAULT {default}")


def outbox(connection: sa.Connection) -> None:
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
        add_column(connection, "deliveries", described)
    connection.exec_driver_sql("CREATE INDEX deliveries_owed ON deliveries (destination, delivered_at, parked)")
    connection.exec_driver_sql("CREATE TABLE changes (id INTEGER NOT NULL PRIMARY KEY, number INTEGER NOT NULL)")
    connection.exec_driver_sql("INSERT INTO changes SELECT 1, coalesce(max(version), 0) FROM series")
    connection.exec_driver_sql(
        "CREATE TABLE workers (worker TEXT NOT NULL PRIMARY KEY, machine TEXT NOT NULL, "
        "pid INTEGER NOT NULL, beats INTEGER NOT NULL)"
    )


def pledges(connection: sa.Connection) -> None:
    """3: storage commitment."""
    add_column(connection, "deliveries", "commitment TEXT NOT NULL DEFAULT ''")
    add_column(connection, "deliveries", "transaction_uid TEXT")
    add_column(connection, "deliveries", "commit_at FLOAT NOT NULL DEFAULT 0")
    connection.exec_driver_sql("CREATE INDEX ix_deliveries_transaction_uid ON deliveries (transaction_uid)")


def attempts(connection: sa.Connection) -> None:
    """4: how often a series was begun."""
    add_column(connection, "series", "attempts INTEGER NOT NULL DEFAULT 0")


def steps(connection: sa.Connection) -> None:
    """5: reports of procedure steps, and how long each scanner pauses."""
    connection.exec_driver_sql(
        "CREATE TABLE IF NOT EXISTS step_reports (step_uid TEXT NOT NULL, reported_at FLOAT NOT NULL, "
        "body TEXT NOT NULL, PRIMARY KEY (step_uid, reported_at))"
    )
    connection.exec_driver_sql(
        "CREATE TABLE IF NOT EXISTS rhythms (calling_ae TEXT NOT NULL PRIMARY KEY, pauses TEXT NOT NULL)"
    )


def turns(connection: sa.Connection) -> None:
    """6: scanners take turns; what an older version left waiting stays in its order of closing."""
    add_column(connection, "series", "turn INTEGER NOT NULL DEFAULT 1")


def cohorts(connection: sa.Connection) -> None:
    """7: cohorts, their series and the answers."""
    connection.exec_driver_sql("CREATE TABLE cohorts (cohort TEXT NOT NULL PRIMARY KEY, judge TEXT NOT NULL)")
    connection.exec_driver_sql(
        "CREATE TABLE cohort_series (cohort TEXT NOT NULL, series TEXT NOT NULL, files TEXT NOT NULL, "
        "revision INTEGER NOT NULL, attempts INTEGER NOT NULL, answered_at FLOAT, answer TEXT, "
        "passing BOOLEAN NOT NULL, PRIMARY KEY (cohort, series))"
    )
    connection.exec_driver_sql("CREATE INDEX cohort_series_answered ON cohort_series (cohort, answered_at)")


def cleared(connection: sa.Connection) -> None:
    """8: reports leave the disk."""
    add_column(connection, "series", "reference TEXT NOT NULL DEFAULT ''")
    add_column(connection, "series", "cleared_at FLOAT")
