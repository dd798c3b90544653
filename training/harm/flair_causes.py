"""How well the artefact of a FLAIR is named, and what a bundle decides by it: of people that it never learnt from."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from daemon.core.judging.assessment import assess
from daemon.core.judging.reference import Standard, level_of
from daemon.core.judging.verdict import decide
from daemon.core.values import State, Verdict
from models.bundle import Bundle, load_bundle
from models.findings import Findings
from models.methods.lesions import ARTEFACT, Lesions
from models.physics.spectrum import feature_names
from models.statistics.presence import tell
from training.harm.drawing import CLEAN
from training.harm.flair_images import TISSUE
from training.harm.images import Images, joined
from training.harm.presence_tables import FULLY, NAMES, SUSPECTED, CauseFit, cause_lines, is_right, presence_of

Numbers = npt.NDArray[np.float64]

#: What the causes are told by: the spectrum of the stored image alone.
NUMBERS = feature_names()
#: An image whose lesions lose a fifth of their Dice with the clean ones holds its artefact wholly; both numbers are the
#: best of those tried on other heads of the same tables (docs/log.md).
FIT = CauseFit(fully=0.2, penalty=0.03)
#: A loss that must be found, and one that is idle to repeat a scan for.
HURT, IDLE = 0.10, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionCausesPlan:
    """``table``: images.csv of ``lesions-harm``; ``bundle``: it tells causes, and its limits decide.

    ``beside``: tables of other heads that the regressions learn from as well, by commas.
    """

    table: Path
    bundle: Path
    beside: str = ""


def print_lesion_causes(plan: LesionCausesPlan) -> None:
    """Every table, as Markdown."""
    others = [Images.read(Path(name), TISSUE) for name in plan.beside.split(",") if name]
    print(*cause_tables(Images.read(plan.table, TISSUE), load_bundle(plan.bundle), others), sep="\n")


def cause_tables(images: Images, bundle: Bundle, others: Sequence[Images] = ()) -> Iterator[str]:
    """Causes by the bundle itself and by regressions on other people; by family; verdicts.

    Raises:
        ValueError: the bundle tells no causes.
    """
    presence = Lesions(bundle).settings.presence
    if presence is None:
        raise ValueError(f"{bundle.manifest.name} tells no causes: make one with python -m export.lesion_causes")
    known = joined([one.named(presence.names) for one in (images, *others)])
    count, losses = len(images.harm), losses_of(images)
    own, people, both = (
        "the bundle itself",
        "regression, other people",
        "regression, other people, family never seen",
    )
    ways = {
        own: tell(presence, images.named(presence.names).numbers),
        people: presence_of(known, FIT)[:count],
        both: presence_of(known, FIT, unseen_families=True)[:count],
    }
    yield f"{count} images of {len(set(images.person))} people, {len(known.harm) - count} of others beside them"
    yield ""
    yield from cause_lines(images, ways, losses)
    yield from (f"Clean as scanned above 0.5, {name}: {_suspected(images, told)}" for name, told in ways.items())
    yield ""
    yield from family_lines(images, {people: ways[people], both: ways[both]}, losses)
    yield ""
    yield from verdict_lines(images, {name: decided(images, told, bundle) for name, told in ways.items()}, losses)


def losses_of(images: Images) -> Numbers:
    """The Dice that an image lost against the same person clean in the same style (N,), the harm without a mask."""
    return np.where(np.isfinite(images.lost), images.lost, images.harm)


def _suspected(images: Images, told: Numbers) -> str:
    plain = (images.artefact == CLEAN) & (images.style == "")
    return f"{(told[plain].max(axis=1) > SUSPECTED).sum()} of {plain.sum()}"


def family_lines(images: Images, ways: Mapping[str, Numbers], losses: Numbers) -> Iterator[str]:
    """The cause named first of each family, where the image lost enough."""
    yield f"| cause first, lost > {FULLY} | {' | '.join(ways)} |"
    yield "| --- |" + " ---: |" * len(ways)
    for family in sorted(set(images.family) - {CLEAN}):
        hurt = (images.family == family) & (losses > FULLY)
        cells = [f"{is_right(images, told)[hurt].sum()} of {hurt.sum()}" for told in ways.values()]
        yield f"| {family} | {' | '.join(cells)} |"


def decided(images: Images, told: Numbers, bundle: Bundle) -> list[Verdict]:
    """What the daemon would decide of each image with these presences; its clean reference is the other people's."""
    clean = images.artefact == CLEAN
    return [
        _decide(images, number, told[number], bundle, told[clean & (images.person != images.person[number])])
        for number in range(len(images.harm))
    ]


def _decide(images: Images, number: int, told: Numbers, bundle: Bundle, clean: Numbers) -> Verdict:
    manifest, reference = bundle.manifest, bundle.manifest.references[-1].scores
    numbers = {name: float(images.column(name)[number]) for name in images.names}
    found = {**numbers, ARTEFACT: float(told.sum())}
    findings = Findings(
        signals=tuple(manifest.signal(name, found[name]) for name in manifest.compared),
        presence=dict(zip(NAMES, told.tolist(), strict=True)),
        loss=Lesions(bundle).loss_of(numbers),
    )
    scores = {**reference, ARTEFACT: tuple(np.sort(clean.sum(axis=1)).tolist())}
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
