"""A coil that loses signal week by week, and a scanner that does not change: when is service called, and how often.

Simulated weeks of heads go through the pure code that runs in the daemon (``daemon/core/trends/drift.py``), against the
threshold of as many measures as ``any-mr`` has. Values of a stable scanner are drawn anew for each measure, so that
false alarms are those of independent measures: the most that there can be. Run it from the repository root::

    PYTHONPATH=. python benchmarks/people/drift.py --data ../shared/data/brain
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

from daemon.core.trends.drift import FALSE_ALARM_WEEKS, Sample, find_shift, threshold, week_of
from models.quality.iqm import measure

_WEEK_S = 7 * 86400.0
_START = week_of(1.8e9)
#: The weeks of a scanner before its coil begins to fail.
SOUND_WEEKS = (4, 12, 52)
#: Protocols, and the share of heads that each has.
SHARES = {"one": 0.6, "two": 0.3, "three": 0.1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--heads", type=int, default=40, help="a week")
    parser.add_argument("--loss", type=float, default=0.02, help="of the signal, a week")
    parser.add_argument("--spread", type=float, default=0.21, help="standard deviation of the logarithm among people")
    parser.add_argument("--data", type=Path, help="measure the spread of the heads there instead")
    parser.add_argument("--measures", type=int, default=44)
    parser.add_argument("--scanners", type=int, default=100)
    options = parser.parse_args()
    options.spread = measured(options.data) if options.data else options.spread
    limit, rng = threshold(options.measures), np.random.default_rng(0)
    print(
        f"threshold of {options.measures} measures: {limit:.2f}; stated: a false call in {FALSE_ALARM_WEEKS:.0f} weeks"
    )
    for sound in SOUND_WEEKS:
        print_delays(sound, limit, options, rng)
    false = sum(is_called(options, limit, rng) for _ in range(options.scanners))
    expected = 1 - np.exp(-52 / FALSE_ALARM_WEEKS)
    print(f"stable: {false} of {options.scanners} scanners called within 52 weeks ({expected:.1%} stated at most)")


def print_delays(sound: int, limit: float, options: argparse.Namespace, rng: np.random.Generator) -> None:
    """Weeks from the coil's first to the call."""
    delays, early = [], 0
    for _ in range(options.scanners):
        found = find_shift(drawn(sound + 26, sound, options, rng), limit)
        assert found is not None
        delay = round((found.told - _START) / _WEEK_S) - sound + 1
        early += delay <= 0
        delays += [delay] if delay > 0 else []
    low, middle, high = np.percentile(delays, (5, 50, 95))
    print(
        f"coil, after {sound} sound weeks: told in week {middle:.0f} (5 % {low:.0f}, 95 % {high:.0f}, "
        f"latest {max(delays)}) of {len(delays)}; {early} called before"
    )


def is_called(options: argparse.Namespace, limit: float, rng: np.random.Generator) -> bool:
    """Whether any measure of a stable scanner is called changed within a year."""
    measures = range(options.measures)
    return any(find_shift(drawn(52, 52, options, rng), limit) is not None for _ in measures)


def drawn(weeks: int, sound: int, options: argparse.Namespace, rng: np.random.Generator) -> Iterator[Sample]:
    """The heads of some weeks; from week ``sound`` on the signal falls. Heavy tails: one head in fifty is far off."""
    shape = weeks, options.heads
    logarithms = options.spread * rng.standard_normal(shape) * np.where(rng.random(shape) < 0.02, 4, 1)
    protocols, moments = rng.choice(len(SHARES), shape, p=[*SHARES.values()]), rng.random(shape)
    names = [("bundle", name) for name in SHARES]
    for week, head in np.ndindex(shape):
        signal = 20 * np.exp(logarithms[week, head]) * (1 - options.loss) ** max(0, week - sound + 1)
        at = _START + (week + moments[week, head]) * _WEEK_S
        yield Sample(at=at, exam=f"{week} {head}", stratum=names[protocols[week, head]], value=float(signal))


def measured(folder: Path) -> float:
    """The standard deviation of the logarithm of the signal-to-noise ratio among the FLAIR heads of a folder."""
    paths = sorted(folder.glob("sub-*/anat/*_FLAIR.nii.gz"))
    found = [measure(np.asarray(nib.nifti1.load(path).dataobj, np.float32))["snr"] for path in paths]
    print(f"{len(paths)} heads: standard deviation of the logarithm {np.std(np.log(found)):.2f}")
    return float(np.std(np.log(found)))


if __name__ == "__main__":
    main()
