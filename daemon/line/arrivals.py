"""The events of the spool, read one by one to values, whatever state each is in."""

import time
from dataclasses import replace
from itertools import islice
from typing import Final

import structlog

from daemon.core.ports import ReadInstance, ReadReport
from daemon.core.steps import StepArrival, StepReport
from daemon.core.values import Arrival, AssociationEnd, Instance, SpoolEvent
from daemon.dicom.reading.headers import unread_instance
from daemon.edge.spool.reader import SpoolReader
from daemon.edge.spool.segments import START, Cursor
from daemon.edge.supervisor import Loop, Supervisor

#: After a power failure the receiver finds the end of its spool again within this time.
_SHORT_S: Final = 10.0

_log = structlog.get_logger()

Value = Instance | AssociationEnd | StepReport


class Reading:
    """Events to values, whatever state an event is in: every arrival becomes an instance, so every one is answered.

    Attributes:
        supervisor: Who sets aside what fails.
    """

    def __init__(
        self, spool: SpoolReader, read_instance: ReadInstance, read_report: ReadReport, supervisor: Supervisor
    ) -> None:
        self._spool = spool
        self._read_instance = read_instance
        self._read_report = read_report
        self.supervisor = supervisor
        self._short_since: float | None = None

    def events(self, cursor: Cursor, most: int) -> list[tuple[SpoolEvent, Cursor]]:
        """At most so many events behind the cursor, each with the cursor behind it.

        A spool that stays shorter than what was read of it is another one, and is read from its start.
        """
        committed = self._spool.committed()
        self._short_since = None if committed >= cursor else self._short_since or time.monotonic()
        if self._short_since is not None and time.monotonic() - self._short_since > _SHORT_S:
            cursor = START
        if committed <= cursor:
            return []
        if self._short_since is not None:
            _log.error("spool_began_anew", segment=committed.segment, offset=committed.offset)
        return list(islice(self._spool.follow(cursor), most))

    def read(self, event: SpoolEvent) -> Value | None:
        """The value of an event; None for the report of a step that nobody can read, which is only a hint."""
        if isinstance(event, AssociationEnd):
            return event
        if isinstance(event, StepArrival):
            return self.supervisor.item(Loop.ASSEMBLY, lambda: self._report(event), lambda _: None)
        return self.supervisor.item(
            Loop.ASSEMBLY,
            lambda: self._read_instance(event, self._spool.dataset(event)),
            lambda _: self._damaged(event),
            lambda _: unread_instance(event),
        )

    def _report(self, event: StepArrival) -> StepReport:
        return self._read_report(event, self._spool.dataset_bytes(event))

    def _damaged(self, arrival: Arrival) -> Instance:
        """What the header says in spite of the damage, which is mostly in the pixels."""
        return replace(
            self._read_instance(arrival, self._spool.dataset(arrival, checked=False)), own=False, damaged=True
        )
