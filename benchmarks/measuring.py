"""What the measures of one 256 x 256 x 180 image cost: CPU seconds of one thread, and memory beyond the image.

Run it from the repository root::

    OMP_NUM_THREADS=1 PYTHONPATH=. python benchmarks/measuring.py
"""

import statistics
import time
import tracemalloc

import numpy as np

from models.quality.foreground import FloatArray
from models.quality.iqm import measure

SHAPE = (256, 256, 180)
ROUNDS = 5


def main() -> None:
    image = phantom()
    tracemalloc.start()
    measure(image)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    seconds = [timed(image) for _ in range(ROUNDS)]
    print(f"{statistics.median(seconds):.2f} s of CPU ({min(seconds):.2f} to {max(seconds):.2f}), {peak:.0f} MiB")


def timed(image: FloatArray) -> float:
    begun = time.process_time()
    measure(image)
    return time.process_time() - begun


def phantom() -> FloatArray:
    """A bright ellipsoid in a darker one, in Rician noise."""
    rng = np.random.default_rng(0)
    axes = [((np.arange(n, dtype=np.float32) - n / 2) / (0.35 * n)) ** 2 for n in SHAPE]
    radius = axes[0][:, None, None] + axes[1][:, None] + axes[2]
    clean = np.select([radius < 0.5, radius < 1], [np.float32(800), np.float32(500)], np.float32(0))
    noise = (20 * rng.standard_normal(SHAPE, np.float32) for _ in range(2))
    return np.asarray(np.hypot(clean + next(noise), next(noise)), np.float32)


if __name__ == "__main__":
    main()
