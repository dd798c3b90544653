"""From arrivals in the spool to complete series: what the receiver made durable is read, indexed and put together.

The loop keeps nothing that it could not find again: the index says up to where the spool was read, which instances
belong to a series that is still open, and which series were closed.
"""

from collections.abc import Callable
from itertools import islice

from daemon.core.completion import Completion
from daemon.core.ports import ReadInstance
from daemon.core.values import Arrival, AssociationEnd, Incoming, Instance, Series
from daemon.edge.index import Index
from daemon.edge.inventory import parse_position
from daemon.edge.segments import Cursor
from daemon.edge.spool import SpoolReader

#: Events read between two looks at what is due: closes series in time while a long backlog is read.
_BATCH = 200


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
        spool: SpoolReader,
        index: Index,
        completion: Completion,
        read_instance: ReadInstance,
        note: Callable[[Arrival], None],
    ) -> None:
        self._note = note
        self._spool = spool
        self._index = index
        self._completion = completion
        self._read_instance = read_instance
        self._cursor = parse_position(index.position())
        self.incoming: tuple[Incoming, ...] = ()
        self.changes = 0
        self.own_objects = 0

    def restore(self) -> None:
        """Take up what was open when the process last stopped."""
        instances, ends = self._index.unclosed()
        for instance in instances:
            self._receive(instance)
        for end in ends:
            self._completion.end(end)

    def turn(self, now: float) -> tuple[bool, tuple[Series, ...]]:
        """Read what has arrived, close what is complete at ``now``.

        Returns whether anything was read, and the series that were closed; they are recorded already.
        """
        events = []
        if self._spool.committed() > self._cursor:
            events = list(islice(self._spool.follow(self._cursor), _BATCH))
        if events:
            self._take([event for event, _ in events], events[-1][1])
        closed = self._completion.due(now)
        for series in closed:
            self._index.close_series(series)
        if events or closed:
            self.incoming = self._completion.incoming()
            self.changes += 1
        return bool(events), closed

    def _take(self, events: list[Arrival | AssociationEnd], cursor: Cursor) -> None:
        instances = {
            id(event): self._read_instance(event, self._spool.dataset_bytes(event))
            for event in events
            if isinstance(event, Arrival)
        }
        ends = [event for event in events if isinstance(event, AssociationEnd)]
        others = [instance for instance in instances.values() if not instance.own]
        self._index.record(others, ends, f"{cursor.segment}:{cursor.offset}")
        self._cursor = cursor
        self.own_objects += len(instances) - len(others)
        for event in events:
            if isinstance(event, AssociationEnd):
                self._completion.end(event)
            else:
                self._note(event)
                if not instances[id(event)].own:
                    self._receive(instances[id(event)])

    def _receive(self, instance: Instance) -> None:
        if not self._completion.knows(instance.series_instance_uid):
            closed = self._index.newest(instance.series_instance_uid)
            if closed is not None:
                self._completion.restore(closed)
        self._completion.receive(instance)
