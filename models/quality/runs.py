"""Measures of a run of volumes (fMRI, diffusion), folded as its volumes are read: one is in memory at a time.

Names are MRIQC's where it has them (Esteban et al. 2017). Every volume is seen through one body, that of the first one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.quality.foreground import FloatArray, Mask

Table = npt.NDArray[np.float64]
#: Robust standard deviations from which on a volume or a slice stands out, and the least that it must differ by.
_FAR, _LEAST_SPIKE, _LEAST_DROPOUT = 6.0, 0.2, 0.15
#: So many volumes are no run.
FEWEST_VOLUMES = 4
_OF_MEDIAN = 1.4826
#: Slices with less than this share of the fullest slice's body say nothing.
_LEAST_AREA = 0.25
_SCALED = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """A run seen through one body.

    ``mean``: float32 (i, j, k), of all volumes; ``levels``: mean of the body by volume and slice (T, k), NaN where a
    slice has little of it; ``differences``: root mean square change of the body from each volume to the next (T - 1,);
    ``noise``: standard deviation of the body's voxels in time without their linear trend, ``level`` their mean, both
    (voxels,).
    """

    mean: FloatArray
    levels: Table
    differences: Table
    noise: Table
    level: Table


def fold(volumes: Iterable[FloatArray], body: Mask) -> Run:
    """All that is kept of a run of volumes (i, j, k); ``body``: at least one voxel."""
    counts = body.sum(axis=(0, 1))
    known = counts >= max(1.0, _LEAST_AREA * counts.max())
    total = np.zeros(body.shape, np.float64)
    sums = np.zeros((3, int(body.sum())))  # of values, of their squares, of values times volume number
    levels, differences, before = [], [], None
    for number, volume in enumerate(volumes):
        total += volume
        inside = volume[body].astype(np.float64)
        sums += (inside, inside * inside, number * inside)
        slices = np.where(body, volume, 0).sum(axis=(0, 1), dtype=np.float64) / np.maximum(counts, 1)
        levels.append(np.where(known, slices, np.nan))
        if before is not None:
            differences.append(float(np.sqrt(np.mean((inside - before) ** 2))))
        before = inside
    count = len(levels)
    return Run(
        mean=(total / count).astype(np.float32),
        levels=np.array(levels),
        differences=np.array(differences),
        noise=_noise(sums, count),
        level=sums[0] / count,
    )


def _noise(sums: Table, count: int) -> Table:
    """Standard deviation in time of the residuals of a straight line."""
    values, squares, products = sums / count
    variance = squares - values**2
    numbers = np.arange(count)
    spread = float(numbers.var())
    if spread > 0:
        variance = variance - (products - values * numbers.mean()) ** 2 / spread
    noise: Table = np.sqrt(np.maximum(variance, 0.0))
    return noise


def measures_of_run(run: Run, kinds: Sequence[object]) -> dict[str, float]:
    """The measures of a run; ``kinds``: what sets the contrast of each volume, such as its b-value.

    Of volumes of one contrast all of them, of several only slices without their signal: the others would measure the
    contrast.
    """
    if len(run.levels) < FEWEST_VOLUMES:
        return {}
    found = dict(_dropouts(run.levels, kinds))
    if len(set(kinds)) == 1:
        found.update(_of_one_contrast(run))
    return found


def _of_one_contrast(run: Run) -> Iterator[tuple[str, float]]:
    steady = run.noise > 0
    if steady.any():
        yield "tsnr", float(np.median(run.level[steady] / run.noise[steady]))
    level = float(np.median(run.level))
    if level > 0:
        yield "dvars_nstd", _SCALED * float(np.mean(run.differences)) / level
    whole = np.nanmean(run.levels, axis=1)
    slope = float(np.polyfit(np.arange(len(whole)), whole, 1)[0])
    if whole.mean() > 0:
        yield "drift", slope * (len(whole) - 1) / float(whole.mean())
    yield from _spikes(run.differences)


def _spikes(differences: Table) -> Iterator[tuple[str, float]]:
    """Volumes unlike both of their neighbours; who has moved stays moved, and is unlike one."""
    both = np.minimum(
        np.concatenate([[np.inf], differences]), np.concatenate([differences, [np.inf]])
    )  # (T,), the first and the last have one neighbour
    middle = float(np.median(differences))
    scale = _OF_MEDIAN * float(np.median(np.abs(differences - middle)))
    standing = both > middle + max(_FAR * scale, _LEAST_SPIKE * middle)
    yield "spike_volumes", float(standing.sum())
    if standing.any():
        yield "spike_at", float(np.where(standing, both, -np.inf).argmax())


def _dropouts(levels: Table, kinds: Sequence[object]) -> Iterator[tuple[str, float]]:
    """Slices of single volumes that lost signal beside the same slice of volumes alike, and their volume's others."""
    known = ~np.isnan(levels[0])
    logs = np.log(np.maximum(levels[:, known], np.finfo(float).tiny))
    for kind in dict.fromkeys(kinds):
        alike = np.array([one == kind for one in kinds])
        logs[alike] -= np.median(logs[alike], axis=0)
    lost = np.median(logs, axis=1, keepdims=True) - logs
    scale = _OF_MEDIAN * float(np.median(np.abs(lost)))
    dropped = lost > max(_FAR * scale, _LEAST_DROPOUT)
    yield "dropped_slices", float(dropped.sum())
    if dropped.any():
        volume, place = np.unravel_index(int(lost.argmax()), lost.shape)
        yield "dropped_volume", float(volume)
        yield "dropped_at", float(np.flatnonzero(known)[place])
