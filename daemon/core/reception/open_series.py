"""A series while it is being received: what is there, on which associations it came, what is known to be missing."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from daemon.core.reception.geometry import Coverage, cover
from daemon.core.reception.rhythm import Rhythm
from daemon.core.steps import Announcement
from daemon.core.values import ClosedBy, Instance


@dataclass(slots=True)
class OpenSeries:
    """One series that is still being received (or was closed and re-opened).

    ``associations`` are those still open, ``broken`` those that were aborted, ``spans`` when the first and the last
    image came on each. ``resumed``: images came after a release that no missing image contradicted; from then on a
    release does not end the series. Some scanners open an association for every image.
    """

    study_instance_uid: str
    revision: int
    instances: dict[str, Instance] = field(default_factory=dict)
    last_at: float = 0.0
    associations: set[str] = field(default_factory=set)
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    ended_at: float | None = None
    resumed: bool = False
    announced: Announcement | None = None
    rhythm: Rhythm = field(default_factory=Rhythm)
    _anchors: dict[float, float] = field(default_factory=dict)
    _seen: tuple[int, Coverage] | None = None

    @property
    def coverage(self) -> Coverage:
        """Coverage of the images so far; computed once per image count."""
        if self._seen is None or self._seen[0] != len(self.instances):
            self._seen = (len(self.instances), cover(self.instances.values()))
        return self._seen[1]

    def anchor(self, since: float, now: float) -> float:
        """From when on to wait for what holds since then: now at the latest, where the clock was set back."""
        self._anchors[since] = min(self._anchors.get(since, since), now)
        return self._anchors[since]

    def add(self, instance: Instance) -> None:
        """Take an image that is not known yet."""
        arrival = instance.arrival
        self.instances[arrival.sop_instance_uid] = instance
        self.last_at = arrival.received_at  # the newest by its order: the clock may have been set back
        self._anchors.clear()
        self.associations.add(arrival.association)
        first, _ = self.spans.get(arrival.association, (arrival.received_at, 0.0))
        self.spans[arrival.association] = (first, arrival.received_at)

    @property
    def aborted(self) -> bool:
        """Whether an association was aborted and none resumed, which began behind its last image.

        The receiver may notice an abort after the scanner has resumed, so the order of what is told does not count.
        """
        return any(all(begun < self.spans[lost][1] for begun, _ in self._others(lost)) for lost in self.broken)

    def _others(self, association: str) -> Iterator[tuple[float, float]]:
        return (span for other, span in self.spans.items() if other != association)

    @property
    def released_at(self) -> float | None:
        """When the last of its associations ended; None while one is open, or broken and not resumed."""
        return None if self.associations or self.aborted else self.ended_at

    @property
    def expected(self) -> int | None:
        """How many images the header announces; None if silent."""
        return max((i.expected or 0 for i in self.instances.values()), default=0) or None

    @property
    def counted(self) -> bool:
        """As many images as the header announced."""
        return self.expected is not None and len(self.instances) >= self.expected

    @property
    def lacking(self) -> bool:
        """Whether a procedure step lists images that are not there."""
        return self.announced is not None and not self.instances.keys() >= self.announced.images

    def partial(self, closed_by: ClosedBy) -> bool:
        """Whether the series, closed by this signal, is known or feared not to be whole."""
        if self.announced is not None and not self.announced.discontinued:
            return self.lacking
        doubtful = closed_by is ClosedBy.QUIET or (self.aborted and closed_by is not ClosedBy.GEOMETRY)
        return self.lacking or doubtful or self.coverage is Coverage.GAPPED
