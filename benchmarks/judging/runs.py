"""Planted spikes, dropped slices and drift in runs of public EPI volumes: what is found, where, and what in clean runs.

Each steady volume of dcm_qa_nih (four Siemens mosaics, four GE volumes) is repeated into a run of 40, in noise of the
deviation between it and the volume before. Run it from the repository root::

    PYTHONPATH=. python benchmarks/judging/runs.py --data ../shared/data/dicom/mosaic-and-ge-epi
"""

import argparse
import tarfile
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import dcmread

from daemon.dicom.reading.volumes import read_volumes
from models.physics.artefacts import Artefact
from models.physics.kspace import corrupt
from models.physics.severity import draw
from models.quality.foreground import find_regions
from models.quality.runs import fold, measures_of_run

VOLUMES = 40
#: The first volumes are brighter than the rest, and some of the GE series are not whole.
STEADY = {"siemens_mosaic": slice(0, 2), "ge_mr_0004": slice(1, 6)}
#: Runs of each base.
REPEATS = 3
Run = npt.NDArray[np.float32]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    pairs = [pair for name in STEADY for pair in pairs_of(options.parse_args().data / f"{name}.tar.xz", STEADY[name])]
    runs = [run_of(*pair, np.random.default_rng(seed)) for pair in pairs for seed in range(REPEATS)]
    clean = [measured(run) for run in runs]
    print(f"{len(pairs)} volumes, {len(runs)} runs of {VOLUMES}; tSNR {spread(clean, 'tsnr', '.0f')}")
    print(f"clean: drift {spread(clean, 'drift')}")
    for name in ("spike_volumes", "dropped_slices"):
        print(f"clean: {name} in {sum(one[name] > 0 for one in clean)} of {len(runs)} runs")
    print("\n| planted | found | at the right place | found besides |\n| --- | --- | --- | --- |")
    for severity in (0.05, 0.1, 0.2, 0.3, 0.6):
        print_row(f"RF spike {severity}", [spiked(run, severity, n) for n, run in enumerate(runs)], "spike_volumes")
    for share in (0.1, 0.2, 0.3, 0.5):
        print_row(f"slice less {share:.0%}", [dropped(run, share, n) for n, run in enumerate(runs)], "dropped_slices")
    for share in (0.01, 0.03, 0.05):
        ramp = np.linspace(1, 1 + share, VOLUMES, dtype=np.float32)[:, None, None, None]
        print(f"| drift {share:.0%} | {spread([measured(run * ramp) for run in runs], 'drift')} | | |")


def pairs_of(archive: Path, steady: slice) -> Iterator[tuple[Run, Run]]:
    """Each steady volume of the packed series, and the one before."""
    series: dict[str, list[bytes]] = {}
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            content = packed.extractfile(member)
            if content is not None and member.name.endswith(".dcm"):
                held = content.read()
                series.setdefault(str(dcmread(BytesIO(held), stop_before_pixels=True).SeriesInstanceUID), []).append(
                    held
                )
    for files in series.values():
        yield from pairwise([image.still for image in read_volumes(files)][steady])


def run_of(before: Run, volume: Run, rng: np.random.Generator) -> Run:
    """A run of one volume, in noise of the deviation between it and the one before."""
    change = volume - before * (volume.mean() / before.mean())
    deviation = np.float32(1.4826 * np.median(np.abs(change - np.median(change))) / np.sqrt(2))
    noise = rng.standard_normal((VOLUMES, *volume.shape), np.float32)
    return np.asarray(volume + deviation * noise, np.float32)


def measured(run: Run) -> dict[str, float]:
    """The measures of a run of one contrast."""
    regions = find_regions(run[0])
    assert regions is not None
    return measures_of_run(fold(run, regions.body), [""] * len(run))


Planted = tuple[dict[str, float], tuple[float, ...], tuple[str, ...]]


def spiked(run: Run, severity: float, number: int) -> Planted:
    """An RF spike in one volume."""
    rng = np.random.default_rng(number)
    at, spoilt = int(rng.integers(2, VOLUMES - 2)), run.copy()
    spoilt[at] = np.asarray(corrupt(run[at], [draw(Artefact.SPIKE, severity, rng)], (3.0, 3.0, 3.0)), np.float32)
    return measured(spoilt), (at,), ("spike_at",)


def dropped(run: Run, share: float, number: int) -> Planted:
    """A slice of one volume that lost a share of its signal."""
    rng = np.random.default_rng(number)
    at, spoilt = int(rng.integers(0, VOLUMES)), run.copy()
    place = int(rng.integers(run.shape[3] // 4, 3 * run.shape[3] // 4))
    spoilt[at, :, :, place] *= 1 - share
    return measured(spoilt), (at, place), ("dropped_volume", "dropped_at")


def print_row(name: str, planted: list[Planted], counted: str) -> None:
    found = [one for one in planted if one[0][counted] > 0]
    right = sum(tuple(measures[key] for key in keys) == places for measures, places, keys in found)
    besides = sum(max(0, measures[counted] - 1) for measures, _, _ in planted)
    print(f"| {name} | {len(found)} of {len(planted)} | {right} | {besides:.0f} |")


def spread(found: list[dict[str, float]], name: str, form: str = ".2%") -> str:
    """The smallest and the largest of a measure."""
    values = [one[name] for one in found]
    return f"{min(values):{form}} to {max(values):{form}}"


if __name__ == "__main__":
    main()
