"""When a series is complete: a pure state machine; instances, association ends and the time are its only inputs.

DICOM gives no end-of-series signal. A series is found complete by the first rule of ``_RULES`` whose condition holds
and has held for its patience. An image that arrives later re-opens the series under the next revision, with all of
its images; the older verdict is then superseded. An image that is already known changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from daemon.core.geometry import Coverage, coverage
from daemon.core.values import AssociationEnd, ClosedBy, Incoming, Instance, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds to wait once a rule's condition holds.

    ``geometry_s``: all expected images are there and close a volume. ``release_s``: the association was released and
    the images close a volume. ``stray_s``: released, but they do not. ``quiet_s``: nothing arrives any more.
    """

    geometry_s: float = 0.0
    release_s: float = 0.5
    stray_s: float = 10.0
    quiet_s: float = 60.0


@dataclass(slots=True)
class _OpenSeries:
    """One series that is still being received (or was closed and re-opened)."""

    study_instance_uid: str
    revision: int
    instances: dict[str, Instance] = field(default_factory=dict)
    last_at: float = 0.0
    associations: set[str] = field(default_factory=set)
    ended_at: float | None = None
    aborted: bool = False
    _seen: tuple[int, Coverage] | None = None

    @property
    def coverage(self) -> Coverage:
        """Coverage of the images so far; computed once per image count."""
        if self._seen is None or self._seen[0] != len(self.instances):
            self._seen = (len(self.instances), self._cover())
        return self._seen[1]

    def _cover(self) -> Coverage:
        instances = self.instances.values()
        if all(instance.frames > 1 for instance in instances):
            return Coverage.WHOLE  # each object is a volume of its own
        return coverage(instance.place for instance in instances)

    @property
    def released_at(self) -> float | None:
        """When the last of its associations ended, none of them being open and the last not aborted."""
        return None if self.associations or self.aborted else self.ended_at

    @property
    def counted(self) -> bool:
        """As many images as the header announced."""
        expected = max((i.expected or 0 for i in self.instances.values()), default=0)
        return expected > 0 and len(self.instances) >= expected


@dataclass(frozen=True, slots=True)
class _Rule:
    """``since`` gives when the condition began to hold, None while it does not; ``wait`` picks the patience."""

    closed_by: ClosedBy
    since: Callable[[_OpenSeries], float | None]
    wait: Callable[[Patience], float]


def _counted_and_whole(series: _OpenSeries) -> float | None:
    return series.last_at if series.counted and series.coverage is Coverage.WHOLE else None


def _released_and_whole(series: _OpenSeries) -> float | None:
    released = series.released_at
    return None if released is None or series.coverage is not Coverage.WHOLE else max(released, series.last_at)


def _released(series: _OpenSeries) -> float | None:
    return series.released_at


def _quiet(series: _OpenSeries) -> float | None:
    return series.last_at


#: In the order of trust.
_RULES = (
    _Rule(ClosedBy.GEOMETRY, _counted_and_whole, lambda patience: patience.geometry_s),
    _Rule(ClosedBy.RELEASE, _released_and_whole, lambda patience: patience.release_s),
    _Rule(ClosedBy.RELEASE, _released, lambda patience: patience.stray_s),
    _Rule(ClosedBy.QUIET, _quiet, lambda patience: patience.quiet_s),
)


class Completion:
    """All series that are being received or may be re-opened.

    Attributes:
        duplicates: images received again with the same bytes, since the start.
        conflicts: images received again with other bytes; the first is kept.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._open: dict[str, _OpenSeries] = {}
        self._closed: dict[str, Series] = {}
        self.duplicates = 0
        self.conflicts = 0

    def knows(self, series_instance_uid: str) -> bool:
        """Whether the series is open, or closed and remembered."""
        return series_instance_uid in self._open or series_instance_uid in self._closed

    def restore(self, series: Series) -> None:
        """Remember a series that was closed before a restart."""
        self._closed[series.series_instance_uid] = series

    def forget(self, closed_before: float) -> None:
        """Drop closed series from memory; a later image must be preceded by :meth:`restore`."""
        self._closed = {uid: s for uid, s in self._closed.items() if s.closed_at >= closed_before}

    def receive(self, instance: Instance) -> None:
        """Take one instance."""
        uid, sop = instance.series_instance_uid, instance.arrival.sop_instance_uid
        known = self._find(uid, sop)
        if known is not None:
            self.duplicates += known.digest == instance.digest
            self.conflicts += known.digest != instance.digest
            return
        series = self._open.get(uid) or self._reopen(uid, instance.study_instance_uid)
        series.instances[sop] = instance
        series.last_at = max(series.last_at, instance.arrival.received_at)
        series.associations.add(instance.arrival.association)
        series.aborted = False

    def end(self, end: AssociationEnd) -> None:
        """Take the end of an association; it concerns every open series that came on it."""
        for series in self._open.values():
            if end.association in series.associations:
                series.associations.discard(end.association)
                series.ended_at = end.ended_at
                series.aborted = end.aborted

    def due(self, now: float) -> tuple[Series, ...]:
        """The series found complete by ``now``; they are closed from here on."""
        found = [(uid, self._closing(series, now)) for uid, series in self._open.items()]
        return tuple(self._close(uid, closed_by, now) for uid, closed_by in found if closed_by)

    def incoming(self) -> tuple[Incoming, ...]:
        """The series that are still being received."""
        return tuple(
            Incoming(
                series_instance_uid=uid,
                calling_ae=next(iter(series.instances.values())).arrival.calling_ae,
                revision=series.revision,
                images=len(series.instances),
                last_received_at=series.last_at,
            )
            for uid, series in self._open.items()
        )

    def _find(self, uid: str, sop: str) -> Instance | None:
        if uid in self._open:
            return self._open[uid].instances.get(sop)
        closed = self._closed.get(uid)
        return next((i for i in closed.instances if i.arrival.sop_instance_uid == sop), None) if closed else None

    def _reopen(self, uid: str, study_instance_uid: str) -> _OpenSeries:
        closed = self._closed.pop(uid, None)
        series = _OpenSeries(study_instance_uid, closed.revision + 1 if closed else 1)
        for instance in closed.instances if closed else ():
            series.instances[instance.arrival.sop_instance_uid] = instance
        self._open[uid] = series
        return series

    def _closing(self, series: _OpenSeries, now: float) -> ClosedBy | None:
        for rule in _RULES:
            since = rule.since(series)
            if since is not None and now >= since + rule.wait(self._patience):
                return rule.closed_by
        return None

    def _close(self, uid: str, closed_by: ClosedBy, now: float) -> Series:
        series = self._open.pop(uid)
        closed = Series(
            series_instance_uid=uid,
            study_instance_uid=series.study_instance_uid,
            revision=series.revision,
            instances=tuple(series.instances.values()),
            closed_by=closed_by,
            closed_at=now,
            partial=series.aborted or series.coverage is Coverage.GAPPED,
        )
        self._closed[uid] = closed
        return closed
