"""Simulated artefacts told without a network: each person beside the clean images of all others of the same kind.

FLAIR heads, hearts at end-diastole, and phantoms of a spine, a knee and an abdomen of random contrast. Each image is
measured clean and with each of five artefacts at two severities, each person's by another one of three or four
simulators, and compared with the clean images of the others by what the bundle ``any-mr`` compares. At most sixteen
people of each kind are spoilt. What was measured is kept, and taken from there by the next run. Run it from the
repository root::

    PYTHONPATH=. python benchmarks/judging/own_past.py --data ../shared/data --measures /tmp/own-past
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np

from daemon.config import shipped_bundles
from daemon.core.judging.own_past import kinds_of, likely_causes
from export.signatures.causes import SEVERITIES, spoilt
from export.signatures.phantoms import BODIES, Volume, people
from models.bundle import read_manifest
from models.physics.artefacts import Artefact
from models.quality.iqm import measure
from models.statistics.reference_set import Comparison, compare

MANIFEST = read_manifest(shipped_bundles()["any-mr"])
CLEAN = "clean"
#: Phantoms of one body: people of one protocol; another one than the causes are fitted to.
PEOPLE, SEED = 16, 500
Spacing = tuple[float, float, float]
Opened = Callable[[], tuple[Volume, Spacing]]
#: Condition -> measures, of one person.
Measured = Mapping[str, dict[str, float]]
FILES = {
    "heads": ("brain", "sub-*/anat/*_FLAIR.nii.gz"),
    "hearts": ("cardiac", "sub-*/*_phase-ED_cine.nii.gz"),
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """One image beside its like."""

    distance: float
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
            measured = [
                measures_of(chosen.measures / f"{name}-{n}.json", one, n) for n, one in images(name, chosen.data)
            ]
            print_table(name, list(compared(measured)))


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


def measures_of(kept: Path, opened_image: Opened, number: int) -> Measured:
    """The measures of one image by what was done to it; from the file where they are kept."""
    if not kept.exists():
        volume, spacing = opened_image()
        found = {CLEAN: measure(volume)}
        if number < PEOPLE:
            found |= {f"{a.value} {s}": measures for a, s, measures in spoilt(volume, spacing, number)}
        kept.write_text(json.dumps(found))
    measured: Measured = json.loads(kept.read_text())
    return measured


def compared(group: Sequence[Measured]) -> Iterator[tuple[str, Found]]:
    """Each image of the group, clean and spoilt, beside the clean ones of the others."""
    assert MANIFEST.past is not None
    kinds = kinds_of(MANIFEST.past)
    for number, person in enumerate(group):
        past = [other[CLEAN] for place, other in enumerate(group) if place != number]
        for condition, measures in person.items():
            comparison = compare(past, measures, kinds)
            assert isinstance(comparison, Comparison), comparison
            yield condition, found_of(comparison)


def found_of(comparison: Comparison) -> Found:
    assert MANIFEST.past is not None
    causes = likely_causes(comparison, MANIFEST.past)
    named = max(causes, key=lambda cause: causes[cause])
    return Found(
        distance=comparison.distance,
        called=min(comparison.p_value, comparison.estimate) <= MANIFEST.thresholds.alpha,
        named=named if causes[named] >= MANIFEST.thresholds.certain else "",
    )


def print_table(name: str, found: Sequence[tuple[str, Found]]) -> None:
    by_condition: Mapping[str, list[Found]] = defaultdict(list)
    for condition, one in found:
        by_condition[condition].append(one)
    clean = by_condition[CLEAN]
    called = sum(one.called for one in clean)
    print(f"\n{name}: {len(clean)} people, {called} clean called at {MANIFEST.thresholds.alpha:.0%}\n")
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
    far, near = (np.array([one.distance for one in group]) for group in (spoilt_ones, clean))
    return float((np.sign(far[:, None] - near) / 2 + 0.5).mean())


if __name__ == "__main__":
    main()
