"""What any-mr costs of one 256 x 256 x 180 image and of a run of 500 volumes: CPU of one thread, memory beyond it.

CPU seconds grow with what else a machine does; so the same is printed in Fourier transforms of the same image, which
grow with them. The run is made a volume at a time, as a large one is read. Run it from the repository root::

    OMP_NUM_THREADS=1 PYTHONPATH=. python benchmarks/judging/measuring.py
"""

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import numpy as np
from scipy import fft

from daemon.config import shipped_bundles
from models.bundle import load_bundle
from models.methods.any_mr import ROLE, AnyMr
from models.quality.foreground import FloatArray, find_regions
from models.quality.iqm import measure
from models.quality.runs import fold, measures_of_run
from models.subject import Subject, still

SHAPE, RUN_SHAPE = (256, 256, 180), (96, 96, 40)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--volumes", type=int, default=500)
    chosen = options.parse_args()
    image = phantom(SHAPE)
    method, subject = AnyMr(load_bundle(shipped_bundles()["any-mr"])), Subject(images={ROLE: still(image, np.eye(4))})
    print(
        "| | CPU s, median | least | Fourier transforms | MiB beyond the image |\n| --- | ---: | ---: | ---: | ---: |"
    )
    print_row("measures of one image", partial(measure, image), image, chosen.rounds)
    print_row("any-mr, one image", partial(method.examine, subject, {}), image, chosen.rounds)
    findings = method.examine(subject, {})
    assert findings.source is not None
    print_row("what artefacts are told by, beside it", findings.source.numbers, image, chosen.rounds)
    small = phantom(RUN_SHAPE)
    print_row(f"run of {chosen.volumes} volumes, folded", partial(folded, small, chosen.volumes), image, 1)


def folded(volume: FloatArray, volumes: int) -> None:
    """A run that is made a volume at a time."""
    regions = find_regions(volume)
    assert regions is not None
    made = (volume + np.float32(number % 7) for number in range(volumes))
    measures_of_run(fold(made, regions.body), [""] * volumes)


def print_row(name: str, work: Callable[[], object], image: FloatArray, rounds: int) -> None:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    pairs = [(timed(work), timed(partial(fft.rfftn, image, workers=1))) for _ in range(rounds)]
    seconds = [one for one, _ in pairs]
    shares = statistics.median(one / other for one, other in pairs)
    print(f"| {name} | {statistics.median(seconds):.2f} | {min(seconds):.2f} | {shares:.1f} | {peak:.0f} |", flush=True)


def timed(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def phantom(shape: tuple[int, int, int]) -> FloatArray:
    """A bright ellipsoid in a darker one, in Rician noise."""
    rng = np.random.default_rng(0)
    axes = [((np.arange(n, dtype=np.float32) - n / 2) / (0.35 * n)) ** 2 for n in shape]
    radius = axes[0][:, None, None] + axes[1][:, None] + axes[2]
    clean = np.select([radius < 0.5, radius < 1], [np.float32(800), np.float32(500)], np.float32(0))
    noise = (20 * rng.standard_normal(shape, np.float32) for _ in range(2))
    return np.asarray(np.hypot(clean + next(noise), next(noise)), np.float32)


if __name__ == "__main__":
    main()
