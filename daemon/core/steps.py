"""Performed procedure steps: what a scanner says it made, and which series that closes (PS3.4 F.7).

A step is reported in progress, and once more when it is completed or discontinued; the last report lists its images.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class StepState(StrEnum):
    """PerformedProcedureStepStatus (0040,0252), as written in the data set (PS3.3 C.4.14)."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"

    @property
    def final(self) -> bool:
        """Whether a step in this state is never changed again."""
        return self is not StepState.IN_PROGRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class StepArrival:
    """One N-CREATE or N-SET made durable by the receiver, and where its encoded data set lies in the spool."""

    step_uid: str
    transfer_syntax_uid: str
    calling_ae: str
    received_at: float
    segment: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One N-CREATE or N-SET, as far as we care; None where it says nothing.

    ``images``: SOP instance UIDs by series instance UID, images and other objects alike.
    """

    step_uid: str
    reported_at: float
    state: StepState | None = None
    images: Mapping[str, frozenset[str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, as its reports so far describe it."""

    state: StepState = StepState.IN_PROGRESS
    images: Mapping[str, frozenset[str]] = field(default_factory=dict)
    reported_at: float = 0.0

    def take(self, report: StepReport) -> "Step":
        """The step after a report; a final step stays as it is, a repeated report changes nothing (PS3.4 F.7.2.2)."""
        if self.state.final:
            return self
        return Step(
            state=report.state or self.state,
            images=self.images if report.images is None else report.images,
            reported_at=max(self.reported_at, report.reported_at),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What ended steps list of one series: all of its images, and whether a step was given up."""

    images: frozenset[str]
    announced_at: float
    discontinued: bool = False


class Steps:
    """All steps heard of."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._by_series: dict[str, set[str]] = {}

    def take(self, report: StepReport) -> frozenset[str]:
        """Take a report; the series of which something was announced that was not known before."""
        before = self._steps.get(report.step_uid, Step())
        step = self._steps[report.step_uid] = before.take(report)
        if step is before or not step.state.final:
            return frozenset()
        named = frozenset(uid for uid, images in step.images.items() if images)
        for uid in named:
            self._by_series.setdefault(uid, set()).add(report.step_uid)
        return named

    def announced(self, series_instance_uid: str) -> Announcement | None:
        """What is known of a series; None where no ended step lists an image of it."""
        found = [self._steps[uid] for uid in self._by_series.get(series_instance_uid, ())]
        if not found:
            return None
        return Announcement(
            images=frozenset().union(*(step.images[series_instance_uid] for step in found)),
            announced_at=max(step.reported_at for step in found),
            discontinued=any(step.state is StepState.DISCONTINUED for step in found),
        )

    def forget(self, reported_before: float) -> None:
        """Drop the steps that were last heard of before then."""
        self._steps = {uid: step for uid, step in self._steps.items() if step.reported_at >= reported_before}
        kept = {series: {uid for uid in uids if uid in self._steps} for series, uids in self._by_series.items()}
        self._by_series = {series: uids for series, uids in kept.items() if uids}
