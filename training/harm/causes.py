"""How well the artefact of an image is named, and what a bundle decides by it: of people that it never learnt from."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from daemon.core.judging.assessment import assess
from daemon.core.judging.reference import Standard, level_of
from daemon.core.judging.verdict import decide
from daemon.core.values import State, Verdict
from models.brain.scores import JUDGED
from models.bundle import Bundle, load_bundle
from models.findings import Findings
from models.methods.brain import Brain
from models.methods.lesions import ARTEFACT, Lesions
from models.physics.spectrum import feature_names
from models.statistics.harm import CLEAN
from models.statistics.presence import tell
from training.harm.flair_images import TISSUE
from training.harm.images import Images
from training.harm.presence_tables import (
    LOST,
    NAMES,
    SUSPECTED,
    CauseFit,
    cause_lines,
    graph_says,
    is_right,
    presence_of,
)

Numbers = npt.NDArray[np.float64]

#: What the causes are told by: the spectrum of the stored image alone.
NUMBERS = feature_names()
#: A loss that must be found, and one that is idle to repeat a scan for.
HURT, IDLE = 0.10, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the images of a method lose Dice of, and how their causes are fitted."""

    tissue: str
    fit: CauseFit


#: Method -> its kind. The fits did best on left-out heads of those that the shipped bundles learn from (docs/log.md).
_KINDS = {
    "brain": Kind(tissue=JUDGED, fit=CauseFit(fully=0.3, penalty=0.01)),
    "lesions": Kind(tissue=TISSUE, fit=CauseFit(fully=0.2, penalty=0.03)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CausesPlan:
    """``table``: images.csv of ``harm`` or ``lesions-harm``; ``bundle``: it tells causes, and its limits decide.

    ``beside``: tables of other heads that the regressions learn from as well, by commas; ``before``: the bundle of
    heads that judged the table, whose graph told the causes.
    """

    table: Path
    bundle: Path
    beside: str = ""
    before: Path | None = None


def print_causes(plan: CausesPlan) -> None:
    """Every table, as Markdown.

    Raises:
        ValueError: the bundle tells no causes by a regression.
    """
    bundle = load_bundle(plan.bundle)
    tissue = kind_of(bundle).tissue
    others = [Images.read(Path(name), tissue) for name in plan.beside.split(",") if name]
    before = load_bundle(plan.before) if plan.before else None
    print(*cause_tables(Images.read(plan.table, tissue), bundle, others, before), sep="\n")


def kind_of(bundle: Bundle) -> Kind:
    """What there is to know of the images of a bundle's tables.

    Raises:
        ValueError: its method tells no artefacts by a regression.
    """
    if bundle.manifest.method not in _KINDS:
        raise ValueError(f"{bundle.manifest.name} tells no artefacts by a regression, as {' and '.join(_KINDS)} do")
    return _KINDS[bundle.manifest.method]


def cause_tables(
    images: Images, bundle: Bundle, others: Sequence[Images] = (), before: Bundle | None = None
) -> Iterator[str]:
    """Causes by the bundle ``before``, by this one and by regressions on other people; by family; verdicts.

    Raises:
        ValueError: the bundle tells no causes by a regression.
    """
    presence, fit = _method(bundle).settings.presence, kind_of(bundle).fit
    if presence is None:
        raise ValueError(f"{bundle.manifest.name} tells no causes: make one with python -m export.causes")
    known, *beside = (one.named(presence.names) for one in (images, *others))
    losses = losses_of(images)
    ways = {
        **({f"before ({before.manifest.version})": graph_says(images)} if before else {}),
        "the bundle itself": tell(presence, known.numbers),
        "regression, other people": presence_of(known, fit, beside=beside),
        "regression, other people, family never seen": presence_of(known, fit, beside=beside, unseen_families=True),
    }
    count = sum(len(one.harm) for one in beside)
    yield f"{len(images.harm)} images of {len(set(images.person))} people, {count} of others beside them"
    yield ""
    yield from cause_lines(images, ways, losses)
    if np.isfinite(images.lost).any():
        yield "\nLost against the labels of the same image clean, instead of those that were drawn:\n"
        yield from cause_lines(images, ways, images.harm)
        yield ""
    yield from (f"Clean as scanned above 0.5, {name}: {_suspected(images, told)}" for name, told in ways.items())
    yield ""
    yield from family_lines(images, ways, losses)
    yield ""
    verdicts = {
        name: decided(images, told, before if before and name.startswith("before") else bundle)
        for name, told in ways.items()
    }
    yield from verdict_lines(images, verdicts, losses)


def losses_of(images: Images) -> Numbers:
    """The Dice that an image lost against the same person clean in the same style (N,), the harm without labels."""
    return np.where(np.isfinite(images.lost), images.lost, images.harm)


def _method(bundle: Bundle) -> Brain | Lesions:
    return Brain(bundle) if bundle.manifest.method == "brain" else Lesions(bundle)


def _suspected(images: Images, told: Numbers) -> str:
    plain = (images.artefact == CLEAN) & (images.style == "")
    return f"{(told[plain].max(axis=1) > SUSPECTED).sum()} of {plain.sum()}"


def family_lines(images: Images, ways: Mapping[str, Numbers], losses: Numbers) -> Iterator[str]:
    """The cause named first of each family, where the image lost enough."""
    yield f"| cause first, lost > {LOST} | {' | '.join(ways)} |"
    yield "| --- |" + " ---: |" * len(ways)
    for family in sorted(set(images.family) - {CLEAN}):
        hurt = (images.family == family) & (losses > LOST)
        cells = [f"{is_right(images, told)[hurt].sum()} of {hurt.sum()}" for told in ways.values()]
        yield f"| {family} | {' | '.join(cells)} |"


def decided(images: Images, told: Numbers, bundle: Bundle) -> list[Verdict]:
    """What the daemon would decide of each image with these presences.

    Where the presence is itself compared with clean images, these are the other people's.
    """
    decide_one = partial(_decide, bundle, _method(bundle))
    clean = images.artefact == CLEAN
    return [
        decide_one(images.row(number), told[number], told[clean & (images.person != images.person[number])])
        for number in range(len(images.harm))
    ]


def _decide(
    bundle: Bundle, method: Brain | Lesions, row: Mapping[str, float], told: Numbers, clean: Numbers
) -> Verdict:
    manifest, found = bundle.manifest, {**row, ARTEFACT: float(told.sum())}
    presence = dict(zip(NAMES, told.tolist(), strict=True))
    findings = Findings(
        signals=tuple(manifest.signal(name, found[name]) for name in manifest.signals if name in found),
        presence=presence,
        any_cause=method.any_cause(presence),
        loss=method.loss_of(row),
    )
    scores = {
        **manifest.reference_of(row.get("coarsest mm", np.inf)).scores,
        ARTEFACT: tuple(np.sort(clean.sum(axis=1)).tolist()),
    }
    standard = Standard(name="other people", scores=scores, level=level_of(manifest))
    return decide(assess(findings, manifest, standard), manifest)


def verdict_lines(images: Images, ways: Mapping[str, Sequence[Verdict]], losses: Numbers) -> Iterator[str]:
    """How many of each group are let pass, looked at and repeated, and the right causes among those repeated."""
    clean = images.artefact == CLEAN
    groups = {
        "clean as scanned": clean & (images.style == ""),
        "clean in another style": clean & (images.style != ""),
        f"spoilt, lost <= {IDLE}": ~clean & (losses <= IDLE),
        f"spoilt, lost {IDLE} to {HURT}": ~clean & (losses > IDLE) & (losses <= HURT),
        f"spoilt, lost > {HURT}": ~clean & (losses > HURT),
    }
    yield f"| verdict | {' | '.join(ways)} |"
    yield "| --- |" + " --- |" * len(ways)
    for group, inside in groups.items():
        yield f"| {group} | {' | '.join(_states(verdicts, inside) for verdicts in ways.values())} |"
    for state in (State.RESCAN, State.REVIEW):
        cells = [_right(images, verdicts, state) for verdicts in ways.values()]
        yield f"| {state} with a cause: the right one | {' | '.join(cells)} |"


def _states(verdicts: Sequence[Verdict], inside: npt.NDArray[np.bool_]) -> str:
    counts = Counter(verdict.state for verdict, shown in zip(verdicts, inside, strict=True) if shown)
    return ", ".join(f"{state} {counts[state]}" for state in (State.ACCEPT, State.REVIEW, State.RESCAN))


def _right(images: Images, verdicts: Sequence[Verdict], state: State) -> str:
    pairs = zip(verdicts, images.artefact, strict=True)
    right = [verdict.cause == artefact for verdict, artefact in pairs if verdict.state is state and verdict.cause]
    return f"{sum(right)} of {len(right)}"
