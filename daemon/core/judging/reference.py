"""What a series is compared with: the finest group of accepted series that is large enough.

Scores of one scanner and protocol are only exchangeable with their like (Mondrian conformal prediction, Vovk et al.
2005): a series is compared with its own cell, with all of its scanner where the cell is too small to ever raise an
alarm, and with the bundle's own reference for voxels of its size where the scanner is too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from math import isfinite

from daemon.core.judging.own_past import OwnPast, Parameters
from daemon.core.judging.rule import Rule
from daemon.core.measures import Beside, Measure
from models.findings import Evidence, Findings, Signal
from models.manifest import Manifest
from models.statistics.harm import Harm
from models.statistics.uncertainty import conformal_limit, conformal_p_value, tukey_limit

Scores = Mapping[str, tuple[float, ...]]

#: Tukey's fence is measured from quartiles: with fewer than three references in each, one odd series moves it too far.
FEWEST_FOR_QUARTILES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Scores of accepted series of one scanner (calling AE title) and protocol.

    ``scores``: signal -> ascending values without unit, one a series; every signal has all series.
    """

    scanner: str
    protocol: str
    scores: Scores

    @property
    def count(self) -> int:
        """How many series it holds."""
        return size(self.scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The cells of one installation. ``bundle``: digest of the bundle whose scores they are; ``made_at``: epoch s."""

    bundle: str
    made_at: float
    cells: tuple[Cell, ...]

    def of_protocol(self, scanner: str, protocol: str) -> Scores:
        """The scores of one cell; none where it is empty."""
        return _pooled(cell for cell in self.cells if (cell.scanner, cell.protocol) == (scanner, protocol))

    def of_scanner(self, scanner: str) -> Scores:
        """The scores of all protocols of one scanner."""
        return _pooled(cell for cell in self.cells if cell.scanner == scanner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a series comes from: ``scanner`` (calling AE title), protocol, the longest side of its voxels.

    ``parameters``: what it was acquired with; ``series``: its UID, empty where it is not of the line.
    """

    scanner: str
    protocol: str
    coarsest_mm: float
    parameters: Parameters = field(default_factory=dict)
    series: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """The reference chosen for one series. ``name`` says which, and how many series; ``level``: alpha / signals.

    ``harm``: tells the loss of a series of this origin, where the site has learnt it.
    """

    name: str
    scores: Scores
    level: float
    rule: Rule = Rule.CONFORMAL
    harm: Harm | None = None

    def with_harm(self, harm: Harm | None) -> "Standard":
        """The same, which tells the loss by the site's own fit as well, and says so."""
        if harm is None:
            return self
        return replace(self, harm=harm, name=f"{self.name}; loss by {harm.people} series of the site where surer")

    def limit(self, signal: str) -> float:
        """The score above which ``signal`` is abnormal; infinite where there are too few references."""
        scores = self.scores[signal]
        return tukey_limit(scores) if self.rule is Rule.IQR else conformal_limit(scores, self.level)

    def compare(self, findings: Findings, manifest: Manifest) -> Beside:
        """The signals beside this reference; those of familiarity beside the subjects that the bundle knows."""
        standards = {Evidence.FAMILIARITY: known_subjects(manifest)}
        measures = (
            standards.get(signal.evidence, self).measure(signal, manifest.signals[signal.name].compared_with)
            for signal in findings.signals
        )
        return Beside(measures=tuple(measures))

    def measure(self, signal: Signal, compared_with: str = "") -> Measure:
        """A signal with its limit and its p-value; neither where the reference does not know it.

        ``compared_with``: the signal whose reference it has, where it has none of its own.
        """
        name = compared_with or signal.name
        told = {field.name: getattr(signal, field.name) for field in fields(Signal)}
        if name not in self.scores:
            return Measure(**told)
        return Measure(
            **told,
            limit=self.limit(name),
            p_value=conformal_p_value(self.scores[name], signal.value),
            level=self.level if self.rule is Rule.CONFORMAL else None,
        )


def size(scores: Scores) -> int:
    """How many series a reference holds for certain: the shortest of its signals."""
    return min(map(len, scores.values()), default=0)


def level_of(manifest: Manifest) -> float:
    """The p-value from which down a signal is abnormal: alpha over the number of signals (Bonferroni)."""
    return manifest.thresholds.alpha / max(1, len(manifest.compared))


def fewest(level: float, rule: Rule = Rule.CONFORMAL) -> int:
    """How many references it takes to call a score abnormal: the smallest p-value of n is 1 / (n + 1)."""
    if rule is Rule.IQR:
        return FEWEST_FOR_QUARTILES
    count = max(0, int(1 / level) - 2)  # one below the answer at most: rounding is left to the comparison
    while 1 / (count + 1) > level:
        count += 1
    return count


def known_subjects(manifest: Manifest) -> Standard:
    """What familiarity is measured by; a scanner's own series do not replace it: what is familiar is so everywhere."""
    known = manifest.known
    level = manifest.thresholds.unfamiliar / max(1, len(known.scores))
    return Standard(name=f"known: {size(known.scores)} subjects ({known.source})", scores=known.scores, level=level)


def of_manifest(manifest: Manifest, coarsest_mm: float, rule: Rule = Rule.CONFORMAL) -> Standard | OwnPast:
    """The reference that comes with the bundle, for series whose voxels' longest side is ``coarsest_mm``.

    Where a bundle's reference is the past of each protocol, it brings none: everything is to be learnt.
    """
    if manifest.past is not None:
        return OwnPast(name="no past", level=manifest.thresholds.alpha)
    reference = manifest.reference_of(coarsest_mm)
    name = f"manifest: {size(reference.scores)} series ({reference.source})"
    return Standard(name=name, scores=reference.scores, level=level_of(manifest), rule=rule)


def choose(
    references: References | None, manifest: Manifest, origin: Origin, rule: Rule = Rule.CONFORMAL
) -> Standard | OwnPast:
    """The finest reference that holds enough series: of the protocol, of its scanner, else the bundle's own."""
    needed = fewest(level_of(manifest), rule)
    if references is not None and manifest.compared:
        for group, scores in (
            (
                f"protocol {origin.protocol or 'without a name'}",
                references.of_protocol(origin.scanner, origin.protocol),
            ),
            ("all protocols", references.of_scanner(origin.scanner)),
        ):
            if size(scores) >= needed:
                name = f"scanner {origin.scanner}, {group}: {size(scores)} series"
                return Standard(name=name, scores=scores, level=level_of(manifest), rule=rule)
    return of_manifest(manifest, origin.coarsest_mm, rule)


def is_sound(references: References, signals: Iterable[str]) -> bool:
    """Whether every cell holds the same series for each of the ``signals`` and no others, as ascending numbers."""
    wanted = set(signals)
    return all(
        set(cell.scores) == wanted
        and len({len(values) for values in cell.scores.values()}) <= 1
        and all(_ascending(values) for values in cell.scores.values())
        for cell in references.cells
    )


def _ascending(values: tuple[float, ...]) -> bool:
    return all(map(isfinite, values)) and list(values) == sorted(values)


def _pooled(cells: Iterable[Cell]) -> Scores:
    found = tuple(cells)
    signals = found[0].scores if found else ()
    return {signal: tuple(sorted(value for cell in found for value in cell.scores[signal])) for signal in signals}
