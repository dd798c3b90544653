"""Damage to what is stored, and a database that refuses one row."""

from pathlib import Path

import sqlalchemy as sa

from daemon.core.values import Arrival
from daemon.edge.spool.reader import SpoolReader


def arrivals(spool: Path) -> list[Arrival]:
    """Every instance in a spool, in order."""
    return [event for event, _ in SpoolReader(spool).follow() if isinstance(event, Arrival)]


def flip(spool: Path, arrival: Arrival, place: int) -> None:
    """Flip a bit of the stored data set, ``place`` bytes behind its start; before its end where that is negative."""
    offset = arrival.offset + place % arrival.length
    with (spool / arrival.segment).open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def refuse(engine: sa.Engine, table: str, series: str) -> None:
    """From now on the database takes no row of this series into the table."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER refuse_{table} BEFORE INSERT ON {table} WHEN NEW.series_instance_uid = '{series}' "
            "BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
