"""From arrivals in the spool to complete series: what the receiver made durable is read, indexed and put together.

The loop keeps nothing that it could not find again: the index says up to where the spool was read, which instances
belong to a series that is still open, and which series were closed.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import NamedTuple

from daemon.core.ports import ExamBook
from daemon.core.reception.completion import Completion
from daemon.core.steps import StepArrival, StepReport
from daemon.core.values import Arrival, AssociationEnd, Incoming, Instance, Series, SpoolEvent
from daemon.edge.database.index import Index
from daemon.edge.database.inventory import parse_position
from daemon.edge.spool.segments import Cursor
from daemon.edge.supervisor import Loop, Supervisor
from daemon.line.arrivals import Reading, Value

#: Events read between two looks at what is due: closes series in time while a long backlog is read.
_BATCH = 200
#: How long a step's report counts (images later than that are none of its own), and closed series stay in memory.
#: After that they are read from the database where a late image asks for them: an hour of series held 50 MiB.
_REPORTS_S, _CLOSED_S = 86400.0, 600.0
_FORGET_EVERY_S = 60.0
#: A turn that found nothing to do is followed by this pause.
_IDLE_S = 0.02
#: When everything without a verdict is begun again, because one could not be begun.
_BEGIN_AGAIN_S = 60.0


class Wish(NamedTuple):
    """What a person wants of a series: that it is complete as it is, or ``again``, that it is judged once more."""

    series_instance_uid: str
    again: bool


class Assembly:
    """Puts series together; ``note`` is told of every arrival, once.

    Objects that Scanside made, and that somebody forwarded back, stay in the spool and begin no series: a report on a
    report would be reported on again.

    Attributes:
        own_objects: How many such objects were read since the start.
        incoming: The series that are still open, as of the last turn; replaced whole, so any thread may read it.
        changes: Grows whenever ``incoming`` changes.
    """

    def __init__(
        self,
        reading: Reading,
        index: Index,
        completion: Completion,
        note: Callable[[Arrival], None],
        exams: ExamBook,
    ) -> None:
        self._note = note
        self._exams = exams
        self._reading = reading
        self._index = index
        self._completion = completion
        self._supervisor = reading.supervisor
        self._forgot_at = 0.0
        self._cursor = parse_position(index.position())
        self.incoming: tuple[Incoming, ...] = ()
        self.changes = 0
        self.own_objects = 0

    def restore(self, now: float) -> None:
        """Take up what was open when the process last stopped, and what is known of steps and scanners."""
        for calling_ae, rhythm in self._index.rhythms().items():
            self._completion.recall(calling_ae, rhythm)
        instances, ends = self._index.unclosed()
        known = [
            *(partial(self._receive, instance) for instance in instances),
            *(partial(self._exams.receive, instance) for instance in instances),
            *(partial(self._completion.end, end) for end in ends),
            *(partial(self._report, report) for report in self._index.reports(now - _REPORTS_S)),
        ]
        for tell in known:
            self._supervisor.item(Loop.ASSEMBLY, tell, lambda _: None)

    def turn(self, now: float) -> tuple[bool, tuple[Series, ...]]:
        """Read what has arrived, close what is complete at ``now``.

        Returns whether anything was read, and the series that were closed; they are recorded already.
        """
        events = self._reading.events(self._cursor, _BATCH)
        if events:
            self._supervisor.item(Loop.ASSEMBLY, lambda: self._take(events), lambda _: self._take_singly(events))
        # while a backlog is read, the time is that of what was read: behind it the rest of a series may follow
        closed = self._close(min(now, _time(events[-1][0])) if len(events) == _BATCH else now)
        if now - self._forgot_at > _FORGET_EVERY_S:
            self._completion.forget(now - _CLOSED_S, now - _REPORTS_S)
            self._forgot_at = now
        if events or closed:
            self.incoming = self._completion.incoming()
            self.changes += 1
        return bool(events), closed

    def obey(self, wish: Wish, now: float) -> tuple[Series, ...]:
        """Close a series at a person's word: what is open as it is, what is closed once more; recorded already."""
        if wish.again:
            self._remember(wish.series_instance_uid)
        close = self._completion.repeat if wish.again else self._completion.complete
        series = close(wish.series_instance_uid, now)
        self.incoming = self._completion.incoming()
        self.changes += 1
        return (series,) if series and self._recorded(series) else ()

    def _close(self, now: float) -> tuple[Series, ...]:
        """The series that are complete at ``now``, recorded; one that cannot be looked at holds up no other."""
        due = self._completion.due(now, self._attempt)
        return tuple(recorded for series in due if (recorded := self._recorded(series)) is not None)

    def _attempt(self, look: Callable[[], Series | None], give_up: Callable[[], Series | None]) -> Series | None:
        return self._supervisor.item(Loop.ASSEMBLY, look, lambda _: give_up())

    def _recorded(self, series: Series) -> Series | None:
        return self._supervisor.item(Loop.ASSEMBLY, lambda: self._record(series), lambda _: None)

    def _record(self, series: Series) -> Series | None:
        scanner = series.instances[0].arrival.calling_ae
        recorded = self._index.close_series(series, self._completion.rhythm(scanner))
        if recorded.revision != series.revision:  # one that joined it made a revision of its own
            self._completion.restore(recorded)
        return recorded

    def _take_singly(self, events: Sequence[tuple[SpoolEvent, Cursor]]) -> None:
        """One at a time, for one of them cannot be recorded: that one is passed over."""
        for one in events:
            self._supervisor.item(Loop.ASSEMBLY, partial(self._take, [one]), partial(self._pass_over, one[1]))

    def _pass_over(self, cursor: Cursor, _reason: str) -> None:
        self._index.record([], [], _position(cursor))
        self._cursor = cursor

    def _take(self, events: Sequence[tuple[SpoolEvent, Cursor]]) -> None:
        cursor = events[-1][1]
        read = [value for event, _ in events if (value := self._reading.read(event)) is not None]
        instances = [value for value in read if isinstance(value, Instance) and not value.own]
        ends = [value for value in read if isinstance(value, AssociationEnd)]
        reports = [value for value in read if isinstance(value, StepReport)]
        self._index.record(instances, ends, _position(cursor), reports)
        self._cursor = cursor
        self.own_objects += sum(isinstance(value, Instance) and value.own for value in read)
        for value in read:
            self._supervisor.item(Loop.ASSEMBLY, partial(self._tell, value), lambda _: None)
        for event in [event for event, _ in events if isinstance(event, StepArrival)]:
            self._supervisor.item(Loop.ASSEMBLY, partial(self._exams.step, event), lambda _: None)

    def _tell(self, value: Value) -> None:
        """Let completion know."""
        if isinstance(value, AssociationEnd):
            self._completion.end(value)
        elif isinstance(value, StepReport):
            self._report(value)
        else:
            self._note(value.arrival)
            if not value.own:
                self._receive(value)
                self._exams.receive(value)

    def _report(self, report: StepReport) -> None:
        for uid in report.images or ():
            self._remember(uid)
        self._completion.report(report)

    def _receive(self, instance: Instance) -> None:
        self._remember(instance.series_instance_uid)
        self._completion.receive(instance)

    def _remember(self, series_instance_uid: str) -> None:
        """See to it that completion knows the series, if it was closed before."""
        if not self._completion.knows(series_instance_uid):
            closed = self._index.newest(series_instance_uid)
            if closed is not None:
                self._completion.restore(closed)


class Assembling:
    """An assembly that is made anew, from the index, at the start and whenever a turn of it failed.

    Half a turn leaves its memory and the index at odds; what it had not begun yet is begun with everything else that
    has no verdict. ``begin`` lets a series be judged, and does so once however often it is asked.

    Attributes:
        own_objects, incoming, changes: As an ``Assembly``'s, over all of them.
    """

    def __init__(
        self,
        make: Callable[[], Assembly],
        begin: Callable[[str, int], None],
        unjudged: Callable[[], list[tuple[str, int]]],
        supervisor: Supervisor,
    ) -> None:
        self._make = make
        self._begin = begin
        self._unjudged = unjudged
        self._supervisor = supervisor
        self._again_at: float | None = None
        self._sound: Assembly | None = None
        self._wishes: SimpleQueue[Wish] = SimpleQueue()
        self.incoming: tuple[Incoming, ...] = ()
        self.changes = 0
        self.own_objects = 0

    def ask(self, wish: Wish) -> None:
        """Do what a person wants of a series at the next turn."""
        self._wishes.put(wish)

    def turn(self) -> float:
        """Put together what has arrived and let be judged what is complete; the seconds to wait before the next."""
        assembly, self._sound = self._sound or self._restored(), None
        own_objects, changes = assembly.own_objects, assembly.changes
        read, closed = assembly.turn(time.time())
        while not self._wishes.empty():
            wish = partial(assembly.obey, self._wishes.get(), time.time())
            closed += self._supervisor.item(Loop.ASSEMBLY, wish, lambda _: ())
        self._begin_all([(series.series_instance_uid, series.revision) for series in closed])
        if self._again_at is not None and time.monotonic() >= self._again_at:
            self._again_at = None
            self._begin_all(self._unjudged())
        self.own_objects += assembly.own_objects - own_objects
        self.incoming = assembly.incoming
        self.changes += assembly.changes - changes
        self._sound = assembly
        return 0.0 if read or closed else _IDLE_S

    def _restored(self) -> Assembly:
        assembly = self._make()
        assembly.restore(time.time())
        self._begin_all(self._unjudged())
        return assembly

    def _begin_all(self, closed: Sequence[tuple[str, int]]) -> None:
        for uid, revision in closed:
            self._supervisor.item(Loop.ASSEMBLY, partial(self._begin, uid, revision), lambda _: self._begin_later())

    def _begin_later(self) -> None:
        self._again_at = time.monotonic() + _BEGIN_AGAIN_S


def _time(event: SpoolEvent) -> float:
    return event.ended_at if isinstance(event, AssociationEnd) else event.received_at


def _position(cursor: Cursor) -> str:
    return f"{cursor.segment}:{cursor.offset}"
