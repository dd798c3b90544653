"""Simulated artefacts told without a network: each person beside the clean images of all others.

Every FLAIR image of the data is measured clean and with each artefact at two severities, and compared with the clean
images of the other people. Run it from the repository root::

    PYTHONPATH=. python benchmarks/own_past.py --data ../shared/data/brain
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np

from models.physics.artefacts import Artefact
from models.physics.kspace import corrupt
from models.physics.severity import draw
from models.quality.iqm import measure
from models.statistics.reference_set import Comparison, Kind, Worse, compare

#: Those of benchmarks/mr_art.py, of the whole body instead of white matter.
KINDS = (
    Kind(name="summary_bg_stdv", family="background"),
    Kind(name="snr", family="tissue", worse=Worse.LOWER),
    Kind(name="fwhm_avg", family="sharpness", worse=Worse.EITHER),
)
SEVERITIES = (0.3, 0.6)
CLEAN = "clean"

Measured = Mapping[str, Mapping[str, float]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    paths = sorted(options.parse_args().data.glob("sub-*/anat/*_FLAIR.nii.gz"))
    people = [dict(measured(path, seed)) for seed, path in enumerate(paths)]
    found: dict[str, list[Comparison]] = defaultdict(list)
    for number, person in enumerate(people):
        past = [other[CLEAN] for place, other in enumerate(people) if place != number]
        for name, measures in person.items():
            compared = compare(past, measures, KINDS)
            assert isinstance(compared, Comparison), compared
            found[name].append(compared)
    print_table(found, 1 / len(people))


def measured(path: Path, seed: int) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The measures of one person's image, by what was done to it."""
    image = nib.nifti1.load(path)
    voxels, spacing = np.asarray(image.dataobj, np.float32), image.header.get_zooms()[:3]
    rng = np.random.default_rng(seed)
    yield CLEAN, measure(voxels)
    for artefact in Artefact:
        for severity in SEVERITIES:
            corrupted = corrupt(voxels, [draw(artefact, severity, rng)], spacing)
            yield f"{artefact.value} {severity}", measure(np.asarray(corrupted, np.float32))


def print_table(found: Mapping[str, list[Comparison]], rate: float) -> None:
    clean = np.array([one.distance for one in found[CLEAN]])
    print(f"{len(clean)} people\n\n| artefact, severity | AUROC | alarms at {rate:.1%} |\n| --- | --- | --- |")
    for name, compared in found.items():
        far = np.array([one.distance for one in compared])[:, None]
        area = ((far > clean) + 0.5 * (far == clean)).mean()
        alarms = sum(one.p_value <= rate for one in compared)
        print(f"| {name} | {area:.3f} | {alarms} of {len(compared)} |")


if __name__ == "__main__":
    main()
