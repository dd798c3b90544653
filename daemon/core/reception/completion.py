"""When a series is complete: a pure state machine; instances, association ends, step reports and the time go in.

DICOM gives no end-of-series signal. A series is found complete by the first rule of ``_RULES`` whose condition holds
and has held for its patience. An image that arrives later re-opens the series under the next revision, with all of
its images; the older verdict is then superseded. An image that is already known changes nothing.

A series is partial where images are known to be missing (a procedure step lists them, the geometry shows a gap, the
association was aborted), and where nothing but silence said that it was all. What shows later that the mark was wrong
(the step's list, or the release) re-opens the series too.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from daemon.core.bounds import Pause, Timeout
from daemon.core.reception.geometry import Coverage, cover
from daemon.core.reception.open_series import OpenSeries
from daemon.core.reception.rhythm import Rhythm
from daemon.core.steps import Announcement, StepReport, Steps
from daemon.core.values import AssociationEnd, ClosedBy, Incoming, Instance, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds to wait once a rule's condition holds.

    ``geometry_s``: all expected images are there and close a volume, or all that a procedure step lists are there.
    ``release_s``: the association was released and the images close a volume. ``stray_s``: released, but they do not,
    or some are missing that a step lists. Nothing arrives any more: the scanner's own quiet time, learned, between
    ``quiet_least_s`` and ``quiet_s``.
    """

    geometry_s: Pause = 0.0
    release_s: Pause = 0.2
    stray_s: Pause = 10.0
    quiet_s: Timeout = 60.0
    quiet_least_s: Timeout = 5.0


@dataclass(frozen=True, slots=True)
class _Rule:
    """``since`` gives when the condition began to hold, None while it does not; ``wait`` picks the patience."""

    closed_by: ClosedBy
    since: Callable[[OpenSeries], float | None]
    wait: Callable[[Patience, OpenSeries], float]


def _listed_and_there(series: OpenSeries) -> float | None:
    listed = series.announced
    return None if listed is None or series.lacking else max(listed.announced_at, series.last_at)


def _counted_and_whole(series: OpenSeries) -> float | None:
    whole = series.counted and series.coverage is Coverage.WHOLE and not series.lacking
    return series.last_at if whole else None


def _released_and_whole(series: OpenSeries) -> float | None:
    released = series.released_at
    if released is None or series.resumed or series.lacking or series.coverage is not Coverage.WHOLE:
        return None
    return max(released, series.last_at)


def _listed_and_lacking(series: OpenSeries) -> float | None:
    listed = series.announced
    return None if listed is None or series.associations else max(listed.announced_at, series.last_at)


def _released(series: OpenSeries) -> float | None:
    return None if series.lacking else series.released_at


def _quiet(series: OpenSeries) -> float | None:
    if series.released_at is not None:
        return None  # the rules above wait for less
    return max(series.last_at, series.announced.announced_at if series.announced else 0.0)


#: In the order of trust.
_RULES = (
    _Rule(ClosedBy.MPPS, _listed_and_there, lambda patience, _: patience.geometry_s),
    _Rule(ClosedBy.GEOMETRY, _counted_and_whole, lambda patience, _: patience.geometry_s),
    _Rule(ClosedBy.RELEASE, _released_and_whole, lambda patience, _: patience.release_s),
    _Rule(ClosedBy.MPPS, _listed_and_lacking, lambda patience, _: patience.stray_s),
    _Rule(ClosedBy.RELEASE, _released, lambda patience, _: patience.stray_s),
    _Rule(ClosedBy.QUIET, _quiet, lambda p, series: series.rhythm.quiet_s(p.quiet_least_s, p.quiet_s)),
)


#: Does the first, and the second where the first raises.
Attempt = Callable[[Callable[[], Series | None], Callable[[], Series | None]], Series | None]


def _simply(look: Callable[[], Series | None], _: Callable[[], Series | None]) -> Series | None:
    return look()


class Completion:
    """All series that are being received or may be re-opened.

    Attributes:
        duplicates: images received again with the same bytes, since the start.
        conflicts: images received again with other bytes; the first is kept.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._open: dict[str, OpenSeries] = {}
        self._closed: dict[str, Series] = {}
        self._steps = Steps()
        self._rhythms: dict[str, Rhythm] = {}
        self.duplicates = 0
        self.conflicts = 0

    def knows(self, series_instance_uid: str) -> bool:
        """Whether the series is open, or closed and remembered."""
        return series_instance_uid in self._open or series_instance_uid in self._closed

    def restore(self, series: Series) -> None:
        """Remember a series that was closed before a restart."""
        self._closed[series.series_instance_uid] = series

    def recall(self, calling_ae: str, rhythm: Rhythm) -> None:
        """Remember what was learned of a scanner before a restart."""
        self._rhythms[calling_ae] = rhythm

    def rhythm(self, calling_ae: str) -> Rhythm:
        """What was learned of a scanner so far."""
        return self._rhythms.get(calling_ae, Rhythm())

    def forget(self, closed_before: float, reported_before: float) -> None:
        """Drop closed series and step reports from memory; a later image must be preceded by :meth:`restore`."""
        self._closed = {uid: s for uid, s in self._closed.items() if s.closed_at >= closed_before}
        self._steps.forget(reported_before)

    def receive(self, instance: Instance) -> None:
        """Take one instance."""
        uid, sop = instance.series_instance_uid, instance.arrival.sop_instance_uid
        known = self._find(uid, sop)
        if known is not None and (instance.damaged or not known.damaged):
            self.duplicates += known.digest == instance.digest
            self.conflicts += known.digest != instance.digest
            return
        series = self._open.get(uid) or self._reopen(uid, instance)
        released, arrived_at = series.released_at, instance.arrival.received_at
        if released is not None and arrived_at > released + self._patience.release_s:
            series.resumed = series.resumed or series.coverage is not Coverage.GAPPED
        series.add(instance)

    def end(self, end: AssociationEnd) -> None:
        """Take the end of an association; it concerns every series that came on it."""
        for uid in [uid for uid, closed in self._closed.items() if _confirms(end, closed)]:
            series = self._reopen(uid, self._closed[uid].instances[0])
            series.associations.add(end.association)
        for series in self._open.values():
            if end.association in series.associations:
                series.associations.discard(end.association)
                series.ended_at = max(series.ended_at or 0.0, end.ended_at)
                if end.aborted:
                    series.broken.add(end.association)

    def report(self, report: StepReport) -> None:
        """Take what a scanner reports of a procedure step; a closed series that it says is otherwise is re-opened."""
        for uid in self._steps.take(report):
            announced = self._steps.announced(uid)
            if uid in self._open:
                self._open[uid].announced = announced
            elif announced is not None and uid in self._closed and _contradicts(announced, self._closed[uid]):
                self._reopen(uid, self._closed[uid].instances[0])

    def due(self, now: float, attempt: Attempt = _simply) -> tuple[Series, ...]:
        """The series found complete by ``now``; they are closed from here on.

        ``attempt`` looks at one series, and where that fails closes it as it is, so that it holds up no other.
        """
        looks = [(partial(self._due, uid, now), partial(self._give_up, uid, now)) for uid in self._open]
        return tuple(closed for look, give_up in looks if (closed := attempt(look, give_up)))

    def complete(self, uid: str, now: float) -> Series | None:
        """Close an open series as it is, at a person's word; None where none is open."""
        series = self._open.get(uid)
        if series is None or not series.instances:
            return None
        fewer = series.expected is not None and not series.counted
        return self._close(uid, ClosedBy.PERSON, now, partial=fewer or series.partial(ClosedBy.PERSON))

    def repeat(self, uid: str, now: float) -> Series | None:
        """Close a closed series once more, under the next revision, at a person's word; None where none is closed."""
        closed = self._closed.get(uid)
        if closed is None:
            return None
        again = replace(closed, revision=closed.revision + 1, closed_by=ClosedBy.PERSON, closed_at=now)
        self._closed[uid] = again
        return again

    def incoming(self) -> tuple[Incoming, ...]:
        """The series that are still being received."""
        return tuple(
            Incoming(
                series_instance_uid=uid,
                calling_ae=next(iter(series.instances.values())).arrival.calling_ae,
                revision=series.revision,
                images=len(series.instances),
                last_received_at=series.last_at,
                expected=series.expected,
            )
            for uid, series in self._open.items()
        )

    def _find(self, uid: str, sop: str) -> Instance | None:
        if uid in self._open:
            return self._open[uid].instances.get(sop)
        closed = self._closed.get(uid)
        return next((i for i in closed.instances if i.arrival.sop_instance_uid == sop), None) if closed else None

    def _reopen(self, uid: str, instance: Instance) -> OpenSeries:
        """The series of ``instance``, open with what is known of it."""
        closed = self._closed.pop(uid, None)
        series = OpenSeries(instance.study_instance_uid, closed.revision + 1 if closed else 1)
        series.announced, series.rhythm = self._steps.announced(uid), self.rhythm(instance.arrival.calling_ae)
        if closed:
            series.instances = {known.arrival.sop_instance_uid: known for known in closed.instances}
            series.last_at, series.resumed = closed.last_received_at, not closed.partial
        self._open[uid] = series
        return series

    def _closing(self, series: OpenSeries, now: float) -> ClosedBy | None:
        for rule in _RULES:
            since = rule.since(series)
            if since is not None and now >= series.anchor(since, now) + rule.wait(self._patience, series):
                return rule.closed_by
        return None

    def _due(self, uid: str, now: float) -> Series | None:
        series = self._open[uid]
        closed_by = self._closing(series, now)
        if closed_by is None:
            return None
        closed = self._close(uid, closed_by, now, partial=series.partial(closed_by))
        scanner = closed.instances[0].arrival.calling_ae
        self._rhythms[scanner] = self.rhythm(scanner).learn(i.arrival.received_at for i in closed.instances)
        return closed

    def _give_up(self, uid: str, now: float) -> Series | None:
        """The series as it is, partial: no rule can be asked of it. None where it has no image."""
        if not self._open[uid].instances:
            del self._open[uid]
            return None
        return self._close(uid, ClosedBy.QUIET, now, partial=True)

    def _close(self, uid: str, closed_by: ClosedBy, now: float, *, partial: bool) -> Series:
        series = self._open.pop(uid)
        closed = Series(
            series_instance_uid=uid,
            study_instance_uid=series.study_instance_uid,
            revision=series.revision,
            instances=tuple(series.instances.values()),
            closed_by=closed_by,
            closed_at=now,
            partial=partial,
        )
        self._closed[uid] = closed
        return closed


def _confirms(end: AssociationEnd, closed: Series) -> bool:
    """Whether the release tells that a series was whole which silence had closed."""
    return (
        closed.closed_by is ClosedBy.QUIET
        and not end.aborted
        and closed.instances[-1].arrival.association == end.association
        and cover(closed.instances) is Coverage.WHOLE
    )


def _contradicts(announced: Announcement, closed: Series) -> bool:
    """Whether the list says otherwise than the closed series' mark: images are missing, or none are."""
    there = {instance.arrival.sop_instance_uid for instance in closed.instances}
    if not there >= announced.images:
        return not closed.partial
    return closed.partial and not announced.discontinued
