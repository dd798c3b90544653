"""The pages beside the live one, over a real database with weeks of drawn heads."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from builders.board import MemoryBoard, sources
from builders.database import opened
from builders.quality import fill
from daemon.edge.database.trends.calls import Calls
from daemon.edge.database.trends.quality import Quality
from daemon.edge.supervisor import Supervisor
from daemon.edge.telemetry.metrics import make_metrics
from daemon.edge.web.server import Address, WebServer, serve
from daemon.edge.web.sources import Rooms, Sources
from daemon.servicing import DriftWatch, ServiceDesk

SCANNERS = {"SCANNER": "MR 1"}


@contextmanager
def quality_rooms(folder: Path, weeks: int = 30, sound: int | None = 22) -> Iterator[tuple[sa.Engine, Rooms]]:
    """A scanner whose coil fails, and that it was found; the scanner's software changed meanwhile."""
    with opened(f"sqlite:///{folder}/rooms.sqlite") as engine:
        fill(engine, weeks, time.time(), sound=sound)
        with engine.begin() as connection:
            newer = "UPDATE series SET software = 'syngo MR XA30' WHERE version > :half"
            connection.execute(sa.text(newer), {"half": 20 * weeks})
        rooms = Rooms(quality=Quality(engine, SCANNERS), calls=Calls(engine))
        desk = ServiceDesk(
            quality=rooms.quality,
            calls=rooms.calls,
            targets=(),
            page="",
            metrics=make_metrics(CollectorRegistry()),
            supervisor=Supervisor(Event()),
        )
        DriftWatch(desk).turn()
        yield engine, rooms


def over(rooms: Rooms, **more: object) -> Sources:
    """What a page over an empty board and these rooms shows."""
    return replace(sources(MemoryBoard()), rooms=rooms, **more)  # type: ignore[arg-type]


def start_rooms(rooms: Rooms, **more: object) -> WebServer:
    return serve(over(rooms, **more), CollectorRegistry(), Address(port=0))
