"""Real motion told from a protocol's own past: MR-ART's measures through the reference code of the daemon.

MR-ART (Narai et al. 2022, doi 10.1038/s41597-022-01694-8) has 436 T1-weighted scans of 148 people who lay still or
moved, radiologists' scores (1 good, 3 bad) and MRIQC's measures of each. Its people are parted in two; each half is
compared with 60 scans of the other half that were scored 1, as a scanner would with its own past. Nobody's scans are
compared with his own. Run it from the repository root::

    PYTHONPATH=. python benchmarks/judging/mr_art.py --data ../shared/data/tables/mr-art
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.statistics.ranking import auroc
from models.statistics.reference_set import Kind, Worse, distances
from models.statistics.uncertainty import conformal_p_value

Numbers = npt.NDArray[np.float64]

#: One measure a family: noise and ghosts in the air, noise and ghosts in the tissue, sharpness.
KINDS = (
    Kind(name="summary_bg_stdv", family="background"),
    Kind(name="snr_wm", family="tissue", worse=Worse.LOWER),
    Kind(name="fwhm_avg", family="sharpness"),
)
#: What needs no segmentation.
WITHOUT_TISSUE = (KINDS[0], KINDS[2])
REFERENCES = 60
GOOD, BAD = 1, 3
RATES = (0.05, 0.10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One row of the table."""

    person: str
    score: int
    measures: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one split found: AUROC of score 3 against 1 and 2, shares of alarms by rate on scores 1 and 3."""

    auroc: float
    false_alarms: tuple[float, ...]
    hits: tuple[float, ...]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--splits", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    scans = scans_of(chosen.data)
    print(f"{len(scans)} scans of {len({scan.person for scan in scans})} people; {chosen.splits} splits of the people")
    alone = max((auroc([scan.measures[name] for scan in scans], bad_of(scans)), name) for name in scans[0].measures)
    print(f"best single number of the whole table, no reference: {alone[1]}, AUROC of score 3 {alone[0]:.3f}\n")
    for kinds in (*((kind,) for kind in KINDS), WITHOUT_TISSUE, KINDS):
        rng = np.random.default_rng(chosen.seed)
        print_found(kinds, [judge(scans, kinds, rng) for _ in range(chosen.splits)])


def scans_of(folder: Path) -> list[Scan]:
    """The scans that were scored, with all of their measures."""
    scores = {row["bids_name"]: int(row["score"]) for row in _rows(folder / "scores.tsv")}
    return [
        Scan(person=name.split("_")[0], score=scores[name], measures={key: float(value) for key, value in row.items()})
        for row in _rows(folder / "group_T1w.tsv")
        if (name := row.pop("bids_name")) in scores
    ]


def judge(scans: Sequence[Scan], kinds: Sequence[Kind], rng: np.random.Generator) -> Found:
    """Every scan compared with the other half of the people."""
    half = halves(scans, rng)
    distance, p_values = np.zeros(len(scans)), np.zeros(len(scans))
    for side in (half, ~half):
        good = [index for index in np.flatnonzero(side) if scans[index].score == GOOD]
        past = [scans[index].measures for index in rng.permutation(good)[:REFERENCES]]
        others = np.flatnonzero(~side)
        found = distances(past, [scans[index].measures for index in others], kinds)
        distance[others] = found[:, -1]
        p_values[others] = [conformal_p_value(row[:-1], row[-1]) for row in found]
    return found_of(distance, p_values, scans)


def halves(scans: Sequence[Scan], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Whose people are in the first half, such that either half has enough scans that were scored 1."""
    people = np.array(sorted({scan.person for scan in scans}))
    good = np.array([scan.score == GOOD for scan in scans])
    while True:
        first = set(rng.permutation(people)[: len(people) // 2])
        half = np.array([scan.person in first for scan in scans])
        if min((half & good).sum(), (~half & good).sum()) >= REFERENCES:
            return half


def found_of(distance: Numbers, p_values: Numbers, scans: Sequence[Scan]) -> Found:
    good, bad = (np.array([scan.score == wanted for scan in scans]) for wanted in (GOOD, BAD))
    return Found(
        auroc=auroc(distance, bad_of(scans)),
        false_alarms=tuple(float((p_values[good] <= rate).mean()) for rate in RATES),
        hits=tuple(float((p_values[bad] <= rate).mean()) for rate in RATES),
    )


def bad_of(scans: Sequence[Scan]) -> npt.NDArray[np.bool_]:
    """Which have score 3; the others have 1 or 2."""
    return np.array([scan.score == BAD for scan in scans])


def print_found(kinds: Sequence[Kind], found: Sequence[Found]) -> None:
    areas = np.array([one.auroc for one in found])
    low, high = np.quantile(areas, (0.025, 0.975))
    print(" + ".join(kind.name for kind in kinds))
    print(f"  AUROC of score 3 {areas.mean():.4f} (95 % of splits {low:.4f} to {high:.4f})")
    for column, rate in enumerate(RATES):
        false, hit = (100 * np.mean([getattr(one, name)[column] for one in found]) for name in ("false_alarms", "hits"))
        print(f"  at {rate:.0%}: alarms on score 1 {false:.1f} %, on score 3 {hit:.1f} %", flush=True)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file, delimiter="\t")


if __name__ == "__main__":
    main()
