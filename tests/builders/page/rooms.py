"""The pages beside the live one, over a real database with weeks of drawn heads."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from builders.page.board import MemoryBoard, sources
from builders.page.quality import fill, tell_history
from builders.running.database import opened
from daemon.edge.database.trends.calls import Calls
from daemon.edge.database.trends.history import Histories
from daemon.edge.database.trends.quality import Quality
from daemon.edge.supervisor import Supervisor
from daemon.edge.telemetry.metrics import make_metrics
from daemon.edge.web.pages.deeds import Deeds
from daemon.edge.web.server import Address, WebServer, serve
from daemon.edge.web.sources import Rooms, Sources
from daemon.sending.servicing import DriftWatch, ServiceDesk

SCANNERS = {"SCANNER": "MR 1"}


class Done:
    """What was let be done with series; ``pictures``: their slices, ``drawn``: what is drawn over them."""

    def __init__(self, pictures: Sequence[bytes] = (), drawn: Sequence[bytes] = ()) -> None:
        self.deeds: list[str] = []
        self.there = True
        self._pictures = pictures
        self._drawn = drawn

    def may(self) -> Deeds:
        def resend(uid: str) -> int:
            self.deeds.append(f"resend {uid}")
            return 1

        return Deeds(
            complete=lambda uid: self.deeds.append(f"complete {uid}"),
            again=lambda uid: self.deeds.append(f"again {uid}"),
            resend=resend,
            is_there=lambda uid: self.there and uid == "1.2.3.7",
            slices=lambda _: len(self._pictures),
            slice=lambda _, number: self._pictures[number] if number < len(self._pictures) else None,
            has_overlay=lambda _: bool(self._drawn),
            overlay=lambda _, number: self._drawn[number] if number < len(self._drawn) else None,
        )


def make_rooms(engine: sa.Engine, done: Done) -> Rooms:
    return Rooms(
        quality=Quality(engine, SCANNERS),
        calls=Calls(engine),
        histories=Histories(engine, SCANNERS),
        deeds=done.may(),
    )


@contextmanager
def series_rooms(folder: Path, done: Done) -> Iterator[Rooms]:
    """One series with a history: a RESCAN that was delivered and answered."""
    with opened(f"sqlite:///{folder}/rooms.sqlite") as engine:
        tell_history(engine)
        yield make_rooms(engine, done)


@contextmanager
def quality_rooms(folder: Path, weeks: int = 30, sound: int | None = 22) -> Iterator[tuple[sa.Engine, Rooms]]:
    """A scanner whose coil fails, and that it was found; the scanner's software changed meanwhile."""
    with opened(f"sqlite:///{folder}/rooms.sqlite") as engine:
        fill(engine, weeks, time.time(), sound=sound)
        with engine.begin() as connection:
            newer = "UPDATE series SET software = 'syngo MR XA30' WHERE version > :half"
            connection.execute(sa.text(newer), {"half": 20 * weeks})
        rooms = make_rooms(engine, Done())
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
