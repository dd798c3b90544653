"""The values that the line hands on: each is frozen, and made in one place (see ARCHITECTURE.md).

``Image``, what is read, and ``Findings``, what a method says, live in models/: methods know no daemon.

Times are UTC seconds since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from daemon.core.errors import Reason
from daemon.core.measures import Assessment
from daemon.core.phrases import Wording
from daemon.core.steps import StepArrival
from models.manifest import CauseEntry, Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One SOP instance made durable by the receiver, and where its encoded data set lies in the spool.

    ``association`` is an opaque token of the association it came on.
    """

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    calling_ae: str
    called_ae: str
    association: str
    received_at: float
    segment: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationEnd:
    """An association was released, or ended in any other way (``aborted``)."""

    association: str
    ended_at: float
    aborted: bool


SpoolEvent = Arrival | AssociationEnd | StepArrival


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one single-frame image lies in its series: what completion needs to see the geometry close.

    ``orientation``: row and column cosines, rounded; ``position_mm``: ImagePositionPatient along their normal;
    ``dimension``: everything else that tells images at one position apart (echo, phase, b-value ...).
    """

    orientation: tuple[float, ...]
    position_mm: float
    dimension: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An arrival whose header was read. ``place`` is None for what is no single-frame image with a geometry.

    ``expected`` is the header's own count of images in the series or acquisition (an upper hint), None if silent;
    ``digest`` is the SHA-256 of the encoded data set. ``own``: Scanside made it; it was forwarded back. ``damaged``: it
    cannot be read as it was received; the same image sent again takes its place.
    """

    arrival: Arrival
    series_instance_uid: str
    study_instance_uid: str
    modality: str
    digest: str
    frames: int = 1
    place: Place | None = None
    expected: int | None = None
    own: bool = False
    damaged: bool = False


class ClosedBy(StrEnum):
    """The signal by which a series was found complete, in the order of trust.

    ``JOINED``: it was, and another joins; ``PERSON``: a person said so.
    """

    MPPS = "mpps"
    GEOMETRY = "geometry"
    RELEASE = "release"
    QUIET = "quiet"
    JOINED = "joined"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series found complete: what was received up to ``revision``, in order of arrival, duplicates removed."""

    series_instance_uid: str
    study_instance_uid: str
    revision: int
    instances: tuple[Instance, ...]
    closed_by: ClosedBy
    closed_at: float
    partial: bool

    @property
    def last_received_at(self) -> float:
        """When its last image was durable."""
        return max(instance.arrival.received_at for instance in self.instances)


class State(StrEnum):
    """The four answers; every received MR series ends in exactly one of them."""

    ACCEPT = "ACCEPT"
    REVIEW = "REVIEW"
    RESCAN = "RESCAN"
    NOT_ASSESSED = "NOT_ASSESSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer for the radiographer: state, cause, action; ``reasons`` say what fired.

    ``cause`` is its name in the bundle, ``cause_word`` what people call it. ``wording``: how action and reasons
    are made, so that a page can say them in its own language; a verdict that was recorded without is the same.
    """

    state: State
    action: str
    cause: str | None = None
    cause_word: str = ""
    reasons: tuple[str, ...] = ()
    not_assessed: Reason | None = None
    rating: int | None = None
    wording: tuple[Wording, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """Who judged: the bundle and the software, as named in every report; where no bundle did, the software alone."""

    bundle: str
    bundle_version: str
    bundle_digest: str
    software_version: str
    config_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Whose numbers these are: a bundle, as reports name it, and its manifest."""

    algorithm: Algorithm
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportReference:
    """A report object sent before, in the same study."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContext:
    """Under which circumstances a verdict was given; kept with the result, so that a report can be made again.

    ``finished_at`` is when the verdict was final; ``utc_offset_minutes`` the scanner's local time minus UTC then, used
    where the source images do not state their own. ``predecessor`` is the SR that this one supersedes. ``station``
    names this installation: device serial number and observer of the report.
    """

    revision: int
    closed_by: ClosedBy
    partial: bool
    finished_at: float
    utc_offset_minutes: int = 0
    predecessor: ReportReference | None = None
    station: str = "scanside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All that a report says of a series; ``assessment`` is None where there was none to make.

    ``manifest``: of the bundle that judged, whose names and codes these are; None where none did. ``own_past``: who
    measured what the assessment holds beside the own past.
    """

    verdict: Verdict
    assessment: Assessment | None
    algorithm: Algorithm
    context: ReportContext
    manifest: Manifest | None = None
    own_past: Author | None = None

    @property
    def causes(self) -> Mapping[str, CauseEntry]:
        """What images may be spoilt by, by its name in the bundles that judged."""
        task = self.manifest.causes if self.manifest else {}
        beside = self.own_past.manifest.causes if self.own_past else {}
        return {**task, **beside, **task}


class ReportKind(StrEnum):
    """What a report object is."""

    SR = "SR"
    SUMMARY = "SC"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportObject:
    """One DICOM object of a report, encoded as a DICOM file."""

    kind: ReportKind
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A series that is still being received; ``expected``: how many images its header announces, None if silent."""

    series_instance_uid: str
    calling_ae: str
    revision: int
    images: int
    last_received_at: float
    expected: int | None = None


class Stage(StrEnum):
    """Where a series stands on its way."""

    RECEIVING = "RECEIVING"
    WAITING = "WAITING"
    ASSESSING = "ASSESSING"
    DELIVERING = "DELIVERING"
    DONE = "DONE"
