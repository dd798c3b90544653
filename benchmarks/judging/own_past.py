"""Simulated artefacts told without a network: each person beside the clean images of all others of the same kind.

FLAIR heads, hearts at end-diastole, and phantoms of a spine, a knee and an abdomen of random contrast. Each image is
measured clean and with each of five artefacts at two severities, each person's by another one of three or four
simulators, and compared by the bundle ``any-mr`` with the clean images of the others: by them alone, and where the site
has tried the others as ``scanside calibrate --artefacts`` does, once as that command stands and once without the
family of simulators that is asked for. At most sixteen people of each kind are spoilt and tried. What was measured is
kept, and taken from there by the next run. Run it from the repository root::

    PYTHONPATH=. python benchmarks/judging/own_past.py --data ../shared/data --measures /tmp/own-past
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import islice
from math import inf, isfinite
from pathlib import Path

import nibabel as nib
import numpy as np

from daemon.config import shipped_bundles
from daemon.core.judging.assessment import assess
from daemon.core.judging.own_past import OwnPast
from daemon.core.judging.verdict import decide
from daemon.core.values import State
from export.signatures.causes import SEVERITIES, spoilt
from export.signatures.phantoms import BODIES, Volume, people
from models.bundle import load_bundle
from models.findings import Findings, NotThis, SiteSource
from models.methods.any_mr import ROLE, AnyMr
from models.physics.artefacts import Artefact
from models.statistics.harm import CLEAN
from models.statistics.site_presence import SitePresence, fit_presence_of_site
from models.statistics.trials import Tried, trials_of
from models.subject import Subject, still

BUNDLE = load_bundle(shipped_bundles()["any-mr"])
MANIFEST, METHOD = BUNDLE.manifest, AnyMr(BUNDLE)
#: Phantoms of one body: people of one protocol; another one than the causes are fitted to.
PEOPLE, SEED = 16, 500
#: Good phantoms of the same protocol that nobody learnt from.
FURTHER = 300
#: Spoilt images of each person that the site has tried, as many as the command makes.
TRIED = 16
Spacing = tuple[float, float, float]
Opened = Callable[[], tuple[Volume, Spacing]]
FILES = {
    "heads": ("brain", "sub-*/anat/*_FLAIR.nii.gz"),
    "hearts": ("cardiac", "sub-*/*_phase-ED_cine.nii.gz"),
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One image: its ``measures``, what artefacts are told by (``numbers``), and the family that spoilt it."""

    measures: dict[str, float]
    numbers: dict[str, float]
    family: str = CLEAN


@dataclass(frozen=True, kw_only=True)
class Person:
    """The images of one by what was done to them, None where nothing but noise is left, and what the site tried."""

    images: dict[str, Measured | None]
    tried: list[Tried]


@dataclass(frozen=True, kw_only=True)
class Found:
    """One image beside its like: ``far``: what it is ranked by."""

    far: float
    called: bool
    named: str


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--measures", type=Path, required=True, help="folder")
    options.add_argument("--only", default="", help="of heads, hearts, spine, knee, abdomen")
    chosen = options.parse_args()
    chosen.measures.mkdir(parents=True, exist_ok=True)
    for name in ("heads", "hearts", *BODIES):
        if chosen.only in ("", name):
            group = [person_of(chosen.measures / f"{name}-{n}.json", one, n) for n, one in images(name, chosen.data)]
            print_tables(name, group)
            if name in BODIES:
                print_false_alarms(group, further(chosen.measures / f"{name}-further.json", name))


def images(name: str, data: Path) -> Iterator[tuple[int, Opened]]:
    """What opens each image of a kind, by its number."""
    if name in BODIES:
        body = BODIES[name]
        for number, volume in enumerate(people(body, PEOPLE, SEED)):
            yield number, partial(lambda volume: (volume, body.spacing), volume)
    else:
        folder, pattern = FILES[name]
        for number, path in enumerate(sorted((data / folder).glob(pattern))):
            yield number, partial(opened, path)


def opened(path: Path) -> tuple[Volume, Spacing]:
    image = nib.nifti1.load(path)
    return np.asarray(image.dataobj, np.float32), image.header.get_zooms()[:3]


def person_of(kept: Path, opened_image: Opened, number: int) -> Person:
    """What is known of one person; from the file where it is kept."""
    if not kept.exists():
        volume, spacing = opened_image()
        made: dict[str, Measured | None] = {CLEAN: measured(volume, spacing)}
        tried = list[Tried]()
        if number < PEOPLE:
            for artefact, severity, family, image in spoilt(volume, spacing, number):
                found = measured(image, spacing)
                made[f"{artefact} {severity}"] = found and replace(found, family=f"{artefact} {family}")
            tried.extend(tried_of(volume, spacing, kept.stem))
        kept.write_text(json.dumps(asdict(Person(images=made, tried=tried))))
    told = json.loads(kept.read_text())
    return Person(
        images={name: one and Measured(**one) for name, one in told["images"].items()},
        tried=[Tried(**one) for one in told["tried"]],
    )


def further(kept: Path, name: str) -> list[Measured]:
    """Good phantoms besides; from the file where they are kept."""
    if not kept.exists():
        body = BODIES[name]
        volumes = islice(people(body, PEOPLE + FURTHER, SEED), PEOPLE, None)
        found = [measured(volume, body.spacing) for volume in volumes]
        kept.write_text(json.dumps([asdict(one) for one in found if one]))
    return [Measured(**one) for one in json.loads(kept.read_text())]


def measured(volume: Volume, spacing: Spacing) -> Measured | None:
    """None of what is no image any more, which the daemon would not judge."""
    try:
        findings = METHOD.examine(Subject(images={ROLE: still(volume, np.diag([*map(float, spacing), 1.0]))}), {})
    except NotThis:
        return None
    assert findings.source is not None
    measures = {signal.name: signal.value for signal in findings.signals}
    return Measured(measures=measures, numbers=dict(findings.source.numbers()))


def tried_of(volume: Volume, spacing: Spacing, series: str) -> Iterator[Tried]:
    """What the site learns of one series; an image of nothing but noise tells no numbers."""
    for one in trials_of(series, "benchmark", TRIED):
        found = measured(one.applied_to(volume, spacing), spacing)
        numbers = found.numbers if found else {}
        place = {"series": series, "number": one.number, "family": one.family}
        yield Tried(**place, harm=0.0, numbers=numbers)


def print_tables(name: str, group: Sequence[Person]) -> None:
    learn = cache(partial(learnt, group))
    print_table(f"{name}, by the past alone", list(compared(group, lambda _person, _family: None)))
    print_table(f"{name}, tried by the site", list(compared(group, lambda person, _family: learn(person, CLEAN))))
    print_table(f"{name}, tried without the family that is asked for", list(compared(group, learn)))


def print_false_alarms(group: Sequence[Person], good: Sequence[Measured]) -> None:
    """How many good ones are called, beside the group alone and beside as many good ones more as are asked."""
    more, asked = good[: len(good) // 2], good[len(good) // 2 :]
    members = tuple(one.images[CLEAN].measures for one in group if one.images[CLEAN])
    tried = [one for other in group for one in other.tried]
    further = [
        Tried(series=f"further {number}", number=0, family=CLEAN, harm=0.0, numbers=one.numbers)
        for number, one in enumerate(more)
    ]
    print()
    for held, known in ((members, tried), ((*members, *(one.measures for one in more)), [*tried, *further])):
        alone = OwnPast(name="the group", level=MANIFEST.thresholds.alpha, members=held)
        learnt_too = replace(alone, artefacts=fit_presence_of_site(known))
        by_past, with_tried = (sum(found_of(one, past).called for one in asked) for past in (alone, learnt_too))
        told = f"{by_past} by the past alone, {with_tried} with what was tried"
        print(f"past of {len(held)}: of {len(asked)} further good ones called: {told}", flush=True)


def learnt(group: Sequence[Person], person: int, family: str) -> SitePresence | None:
    """What the site learns of all others; but for a family that is none of the clean ones."""
    tried = [one for place, other in enumerate(group) if place != person for one in other.tried]
    return fit_presence_of_site([one for one in tried if family == CLEAN or one.family != family])


def compared(group: Sequence[Person], learn: Callable[[int, str], SitePresence | None]) -> Iterator[tuple[str, Found]]:
    """Each image of the group, clean and spoilt, beside the clean ones of the others."""
    for number, person in enumerate(group):
        clean = [other.images[CLEAN] for place, other in enumerate(group) if place != number]
        members = tuple(one.measures for one in clean if one)
        for condition, image in person.images.items():
            if image is None:
                yield condition, Found(far=inf, called=True, named="")
                continue
            past = OwnPast(name="the others", level=MANIFEST.thresholds.alpha, members=members)
            yield condition, found_of(image, replace(past, artefacts=learn(number, image.family)))


def found_of(image: Measured, past: OwnPast) -> Found:
    signals = tuple(MANIFEST.signal(name, value) for name, value in image.measures.items() if isfinite(value))
    source = SiteSource(numbers=lambda: image.numbers, structure=lambda: np.zeros(0, bool))
    assessment = assess(Findings(signals=signals, source=source), MANIFEST, past)
    verdict = decide(assessment, MANIFEST)
    assert MANIFEST.past is not None
    asked = MANIFEST.past.deviation if past.artefacts is None else MANIFEST.past.artefact
    far = assessment.measure(asked).value
    return Found(far=far, called=verdict.state is State.REVIEW, named=verdict.cause or "")


def print_table(title: str, found: Sequence[tuple[str, Found]]) -> None:
    by_condition: Mapping[str, list[Found]] = defaultdict(list)
    for condition, one in found:
        by_condition[condition].append(one)
    clean = by_condition[CLEAN]
    called = sum(one.called for one in clean)
    print(f"\n{title}: {len(clean)} people, {called} clean called at {MANIFEST.thresholds.alpha:.0%}\n")
    print("| artefact | AUROC at " + " and ".join(map(str, SEVERITIES)) + " | called | cause named right, wrong, not |")
    print("| --- | --- | --- | --- |")
    right_in_all, named_in_all = 0, 0
    for artefact in Artefact:
        rows = [by_condition[f"{artefact.value} {severity}"] for severity in SEVERITIES]
        areas = " and ".join(f"{auroc(row, clean):.2f}" for row in rows)
        hits = [one for row in rows for one in row if one.called]
        names = Counter("not" if not one.named else one.named == artefact for one in hits)
        right_in_all, named_in_all = right_in_all + names[True], named_in_all + names[True] + names[False]
        shares = " and ".join(f"{sum(one.called for one in row)} of {len(row)}" for row in rows)
        print(f"| {artefact.value} | {areas} | {shares} | {names[True]}, {names[False]}, {names['not']} |")
    print(f"\ncause named right in {right_in_all} of {named_in_all} that were named", flush=True)


def auroc(spoilt_ones: Sequence[Found], clean: Sequence[Found]) -> float:
    far, near = (np.array([one.far for one in group]) for group in (spoilt_ones, clean))
    return float((np.sign(far[:, None] - near) / 2 + 0.5).mean())


if __name__ == "__main__":
    main()
