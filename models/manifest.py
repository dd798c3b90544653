"""What a bundle's ``manifest.json`` says: everything a host must know, as data. A field that nobody reads is not there.

Mappings keep their order: it is the order of bars, tables and measurement groups.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from models.findings import AXES, Evidence, Signal
from models.graphs import Tensor
from models.past import Past


class BundleError(Exception):
    """A bundle is damaged, foreign, or not for this software; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One coded concept (PS3.3, 8.1): code value, coding scheme designator, code meaning."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphFile:
    """One graph: its ``file``, and what it takes and gives; a host holds the file to it."""

    file: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


#: Which volumes of a series of several are one image: the one that stands for the series, or all of one kind, in time.
Phases = Literal["one", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One role of the subject.

    ``routes``: which series may play it, and which may not, as a configuration says it; ``phases``: "one", a still
    image, or "all", every volume but phase images, derived images and later echoes; ``every``: each that may does;
    ``word``: what people call it, its name where there is none.
    """

    routes: tuple[Mapping[str, Any], ...]
    phases: Phases = "one"
    every: bool = False
    word: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureEntry:
    """A segmented structure; the border of the ``outlined`` one is drawn."""

    code: Code
    outlined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseEntry:
    """Something that spoils images: ``word`` and ``sentence`` name it to people, ``action`` says what to do."""

    word: str
    sentence: str
    action: str
    code: Code


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalEntry:
    """A number that the method gives.

    ``cause``, ``structure``: what it is put down to, what it speaks of; ``compared_with``: the signal whose reference
    it has, empty for its own; ``axes``: what the numbers of its place count, where it has several. In reports it is in
    the measurement group ``group`` about ``finding`` (without one: its cause's, or the image quality), named by
    ``code``, with ``method`` and ``derivation``.
    """

    evidence: Evidence
    unit: str = "1"
    cause: str = ""
    structure: str = ""
    compared_with: str = ""
    axes: tuple[str, ...] = AXES
    group: str = ""
    finding: Code | None = None
    code: Code | None = None
    method: Code | None = None
    derivation: Code | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Organ:
    """What is judged: its ``word``, the ``region`` and ``body_part`` of the images, the ``site`` of the findings."""

    word: str
    body_part: str
    region: Code
    site: Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Scores of accepted series that a new score is compared with.

    ``scores``: signal -> ascending values, one a series; ``source``: which series they come from; ``coarsest_mm``: they
    are for series whose voxels have no side longer than this, None: for any series.
    """

    source: str
    scores: Mapping[str, tuple[float, ...]]
    coarsest_mm: float | None = None

    def suits(self, coarsest_mm: float) -> bool:
        """Whether it is for series whose voxels' longest side is ``coarsest_mm``."""
        return self.coarsest_mm is None or coarsest_mm <= self.coarsest_mm


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When a signal counts.

    ``alpha``: tolerated share of false alarms, shared by all signals; ``unfamiliar``: tolerated share of subjects that
    are called unlike every known one, shared by the signals of familiarity. ``tolerated_loss``: the task is impaired
    when it is expected to lose more; ``impaired``: without an expected loss, the primary signal above which it is.
    ``evident``: below this presence of every cause the image itself shows none; ``certain``: from here on one explains
    why a subject is unlike every known one.
    """

    alpha: float
    unfamiliar: float
    tolerated_loss: float
    impaired: float
    evident: float
    certain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far a host may be from the bundle's maker in one precision.

    ``numbers``: of each golden number, relative to it; ``outputs``: of each output of a graph, the Euclidean norm of
    the difference relative to that of the output.
    """

    numbers: float
    outputs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A subject that ships with the bundle, and what the host must get for it.

    ``images``: role -> file; ``outputs``: the file of what each graph gives (``models/golden.py``), none where there is
    no graph; ``expected``: the numbers of the findings; ``tolerances``: precision (f32, bf16, f16) -> how near; the
    bundle is not for a precision that is not there.
    """

    images: Mapping[str, str]
    outputs: str
    expected: Mapping[str, float]
    tolerances: Mapping[str, Tolerance]

    def tolerance_of(self, precision: str) -> Tolerance:
        """How near an engine of this precision must come.

        Raises:
            BundleError: nobody has shown that the bundle is good for it.
        """
        if precision not in self.tolerances:
            raise BundleError(
                f"the bundle is for {' or '.join(self.tolerances)}, not for {precision}: configure engine.precision so"
            )
        return self.tolerances[precision]


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What the weights were trained on, and under which licence they may be used."""

    data: tuple[str, ...]
    licence: str
    notice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything a host must know; see the fields' own types.

    ``inputs``: the first role leads: its series are answered as they come, the others join where they are there;
    ``method``: who examines (``models/methods``), with these ``settings`` of its own; ``task``: what the images must
    carry; ``primary``: the signal that series are ranked by; ``references``: the finest voxels first, the last for any
    series, all of the same signals; none where the ``past`` of each protocol is the reference; ``known``: subjects that
    signals of familiarity are compared with; ``parity``: how far the graphs were from what they were exported from;
    ``files``: relative path -> SHA-256; ``fallback``: it takes what no other bundle does, or could not judge.
    """

    format: Literal[5]
    name: str
    version: str
    method: str
    task: str
    organ: Organ
    inputs: Mapping[str, Input]
    graphs: Mapping[str, GraphFile]
    structures: Mapping[str, StructureEntry]
    causes: Mapping[str, CauseEntry]
    signals: Mapping[str, SignalEntry]
    primary: str
    settings: Mapping[str, Any]
    references: tuple[Reference, ...]
    known: Reference
    thresholds: Thresholds
    golden: Golden
    parity: Mapping[str, float]
    training: Training
    files: Mapping[str, str] = field(default_factory=dict)
    past: Past | None = None
    fallback: bool = False

    @property
    def lead(self) -> str:
        """The role whose series are answered as they come."""
        return next(iter(self.inputs))

    @property
    def is_gathered(self) -> bool:
        """Whether a subject may have several series."""
        return len(self.inputs) > 1 or any(entry.every for entry in self.inputs.values())

    @property
    def compared(self) -> tuple[str, ...]:
        """The signals that are compared with a reference of series."""
        return tuple(self.references[-1].scores) if self.references else ()

    def reference_of(self, coarsest_mm: float) -> Reference:
        """What a series is compared with whose voxels' longest side is ``coarsest_mm``: images alike in resolution."""
        return next(reference for reference in self.references if reference.suits(coarsest_mm))

    def signal(self, name: str, value: float, at: tuple[int, ...] = ()) -> Signal:
        """A number of one of the declared signals.

        Raises:
            ValueError: it is at a place that no axis of the signal counts.
        """
        entry = self.signals[name]
        return Signal(
            name=name,
            value=value,
            evidence=entry.evidence,
            unit=entry.unit,
            cause=entry.cause,
            structure=entry.structure,
            at=at,
            axes=entry.axes,
        )
