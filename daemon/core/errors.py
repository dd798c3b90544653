"""What can go wrong, by whose fault it is.

ScansideError
├── ConfigError          the operator's: the configuration names something that is not so
├── DatabaseDamaged      the machine's: SQLite's file is broken
├── ThreadEndedError     ours: a part of the daemon ended by a fault
├── StoppedEarly         nobody's: somebody stopped the work before its end
├── SpoolError           the machine's: an instance could not be made durable
├── AssociationError     the peer's: an association from a scanner ended otherwise than by its release
│   ├── PeerLost         the peer aborted, closed the connection or fell silent
│   └── ProtocolError    the peer broke the protocol, so we aborted
├── NotAssessable        the data's: the series is answered with NOT_ASSESSED and this reason
└── DeliveryError        the peer's
    ├── DeliveryRefused  permanent: the same object will be refused again
    └── DeliveryFailed   passing: worth another attempt
        └── DestinationUnreachable   nobody there: whatever else is owed to it would fail as well

models.bundle.BundleError, a bundle that must not be used, is raised by the side that both share.

Every message says what to do next, and none quotes a header value: headers hold patients.
"""

from enum import StrEnum


class ScansideError(Exception):
    """Base of all errors that Scanside raises on purpose."""


class ConfigError(ScansideError):
    """The configuration cannot be used as it stands."""


class DatabaseGone(ConfigError):
    """The configured database does not answer; it may, later."""


class DatabaseDamaged(ScansideError):
    """The database cannot be read as it is; what was received lies in the spool, from which it is made anew."""


class ThreadEndedError(ScansideError):
    """A part of the daemon has ended by a fault; the process ends too, so that it is started anew."""


class StoppedEarly(ScansideError):
    """The work was stopped before its end; what is done is kept, and the same command goes on."""


class SpoolError(ScansideError):
    """An instance could not be made durable; it was not acknowledged."""


class AssociationError(ScansideError):
    """An association that a peer opened ended otherwise than by its release; what it had stored stays."""


class PeerLost(AssociationError):
    """The peer aborted the association, closed the connection or fell silent."""


class ProtocolError(AssociationError):
    """The peer broke the protocol; ``abort_reason`` tells it why in the A-ABORT (PS3.8 table 9-26)."""

    def __init__(self, message: str, abort_reason: int) -> None:
        super().__init__(message)
        self.abort_reason = abort_reason


class Reason(StrEnum):
    """Why a series cannot be judged, in words a radiographer can use."""

    EMPTY = "no images in the series"
    NOT_MR = "not an MR image series"
    UNSUPPORTED = "image type not supported yet"
    LOSSY = "lossy compressed images are not judged"
    UNREADABLE = "image data cannot be decoded"
    GEOMETRY = "slice positions do not form one regular volume"
    INCOMPLETE = "slices are missing"
    MIXED = "images of several kinds in one volume"
    TOO_FEW = "too few slices for a volume"
    TOO_LARGE = "volume too large"
    FLAT = "images hold no signal"
    NOT_FOUND = "what this model judges is not in the images"
    CONTRAST = "not the contrast that this model judges"
    SEVERAL = "no model for a series of several volumes"
    UNROUTED = "no model for this series"
    LOST = "stored images can no longer be read"
    FAILED = "the assessment failed: see the log"


#: What one bundle does not judge another may: the images were not what their headers promised.
PASSED_ON = frozenset({Reason.NOT_FOUND, Reason.CONTRAST})


class NotAssessable(ScansideError):
    """The series cannot be judged; ``reason`` is shown to the radiographer, ``detail`` goes to the log."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail


class DeliveryError(ScansideError):
    """A report object did not reach its destination."""


class DeliveryRefused(DeliveryError):
    """The destination refused for good: a person must change something, then requeue."""


class DeliveryFailed(DeliveryError):
    """The destination could not be reached or was short of resources: try again later."""


class DestinationUnreachable(DeliveryFailed):
    """Nobody is there to take anything: the object is not to blame, and the next one would fail as well."""
