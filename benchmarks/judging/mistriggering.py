"""Beats triggered at the wrong time, planted in two real cines: how well a slice of them is told from clean ones.

A pig's stack (GE) and a person's six short axes (Siemens). Each slice in turn has 1, 2 or 4 of its ten beats two to six
phases early or late, along either axis, while the others stay as they are; and the same as the only slice there is.
Caught are those above the limit of the bundle of hearts. Wants the extra [test] and SCANSIDE_DATA. From the root::

    PYTHONPATH=.:tests python benchmarks/judging/mistriggering.py
"""

import argparse
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from builders.images.hearts import NAME, pig_datasets, positions

from daemon.config import optional_bundles
from daemon.dicom.reading.volumes import arrange, decode
from models.bundle import read_manifest
from models.cine.coherence import incoherence
from models.cine.quality import MISTRIGGERING
from models.statistics.ranking import auroc
from models.subject import Image
from training.cine.faults import Order, mistriggered

FloatArray = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]
ORDERS: tuple[Order, ...] = ("interleaved", "sequential")
PARALLEL = 0.99


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=60, help="spoilt slices of each kind, at least")
    options = parser.parse_args()
    limit = float(read_manifest(optional_bundles()[NAME]).settings["cause_limits"][MISTRIGGERING])
    print("| cine | beats, order | AUROC | caught | alone: AUROC | caught |\n| --- | --- | ---: | ---: | ---: | ---: |")
    for name, frames in {"pig": stack([pig_datasets()]), "Siemens": stack(positions().values())}.items():
        clean, alone = incoherence(frames), np.concatenate([*map(incoherence, parted(frames))])
        print(f"| {name} | clean, above the limit | | {np.mean(clean > limit):.2f} | | {np.mean(alone > limit):.2f} |")
        for bad in (1, 2, 4):
            for order in ORDERS:
                ways = np.array(list(spoilt(frames, bad, order, options.draws)))
                cells = [
                    f"{auroc([*one, *of], [True] * len(one) + [False] * len(of)):.3f} | {np.mean(one > limit):.2f}"
                    for one, of in zip(ways.T, (clean, alone), strict=True)
                ]
                print(f"| {name} | {bad}, {order} | {' | '.join(cells)} |", flush=True)


def spoilt(frames: FloatArray, bad: int, order: Order, draws: int) -> Iterator[tuple[float, float]]:
    """What is told of each spoilt slice, beside the others and alone."""
    chance, count = np.random.default_rng(7), frames.shape[3]
    for number in range(-(-draws // count) * count):
        k = number % count
        first = max(0, k - 1)
        changed, own = frames[..., first : k + 2].copy(), k - first  # with those that it is compared with
        changed[..., own] = mistriggered(frames[..., k], bad, chance, int(chance.integers(1, 3)), order)
        yield incoherence(changed)[own], incoherence(changed[..., own : own + 1])[0]


def stack(series) -> FloatArray:  # noqa: ANN001 - data sets of each
    """The slices that most of the series are parallel to, in their order, (T, x, y, slice)."""
    images: list[Image] = [decode(arrange(list(datasets))) for datasets in series]
    normals = [np.cross(image.affine[:3, 0], image.affine[:3, 1]) for image in images]
    normals = [normal / np.linalg.norm(normal) for normal in normals]
    alike = [[n for n, other in enumerate(normals) if abs(normal @ other) > PARALLEL] for normal in normals]
    most = max(alike, key=len)
    ordered = sorted(most, key=lambda n: float(images[n].affine[:3, 3] @ normals[most[0]]))
    return np.concatenate([np.asarray(images[n].voxels) for n in ordered], axis=3)


def parted(frames: FloatArray) -> Iterator[FloatArray]:
    return (frames[..., k : k + 1] for k in range(frames.shape[3]))


if __name__ == "__main__":
    main()
