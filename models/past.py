"""What a manifest says of series that are compared with the past of their own protocol, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a cause does to signals: ``weights`` of their compressed departures from usual, and ``bias``."""

    bias: float
    weights: Mapping[str, float]


class Worse(StrEnum):
    """On which side of the usual a measure is worse."""

    HIGHER = "higher"
    LOWER = "lower"
    EITHER = "either"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """How one signal is compared with its past (``statistics.reference_set.Kind``).

    ``word``: what people call it; ``higher``, ``lower``: what it is like where it is worse by being so; ``at``,
    ``at_volume``: the signals that say in which slice and volume it was found.
    """

    family: str
    word: str
    worse: Worse = Worse.HIGHER
    ratio: bool = True
    joint: bool = True
    offsets: bool = True
    higher: str = ""
    lower: str = ""
    at: str = ""
    at_volume: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Series are compared with the accepted ones of their own scanner and protocol, which the host collects.

    ``signals``: which are compared, and how; ``deviation``: the signal that the host gives, the distance from the past;
    ``artefact``: the one of ``signals`` that the host gives where it has learnt how artefacts look in this protocol,
    their log odds, which has a past of its own;
    ``most``: so many of a protocol are kept, the newest; ``causes``: cause -> how the signals depart from usual by it,
    none where nobody has shown it; one is named where its probability reaches ``thresholds.certain``, by what the
    site has learnt where it reaches ``evident``.
    """

    signals: Mapping[str, Compared]
    deviation: str
    artefact: str
    evident: float = 1.0
    most: int = 300
    causes: Mapping[str, Signature] = field(default_factory=dict)

    @property
    def measured(self) -> Mapping[str, Compared]:
        """The signals that the method gives and that are compared with the past."""
        return {name: one for name, one in self.signals.items() if name != self.artefact}
