"""The tables of an evaluation of hearts, in Markdown."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.stats import rankdata

from models.cine.crops import PIXEL_MM
from models.cine.numbers import FRACTIONS, VOLUMES, Number, entropy, perimeter
from models.cine.reading import Labels
from models.statistics.ranking import auroc, rank_correlation
from training.cine.calibration import Pixels, calibration
from training.cine.judge import Judged, Patient, true_numbers
from training.cine.stacks import PHASES, STRUCTURES
from training.cine.widths import drawn

FloatArray = npt.NDArray[np.float64]
#: Numbers by patient, with their intervals.
Numbers = Sequence[dict[str, Number]]

_HEAD = "| " + " | ".join(STRUCTURES[1:]) + " |"
_RULE = "| --- |" + " ---: |" * 3
_CLASSES = range(1, len(STRUCTURES))
#: A slice below this Dice is a bad one.
BAD_DICE = 0.6


def dice_table(patients: Sequence[Patient]) -> Iterator[str]:
    """Dice and Hausdorff distance by phase, before and after the clean-up."""
    judged = [one for patient in patients for one in patient.both]
    yield f"| Dice; Hausdorff distance in mm, mean over patients {_HEAD}"
    yield _RULE
    for phase in PHASES:
        ours = [one for one in judged if one.name == phase]
        for name, done in (("called", "as called"), ("labels", "cleaned")):
            cells = (_agreement([(one, getattr(one.phase, name)) for one in ours], n) for n in _CLASSES)
            yield f"| {phase}, {done} ({len(ours)}) | " + " | ".join(cells) + " |"


def _agreement(judged: Sequence[tuple[Judged, Labels]], number: int) -> str:
    scores = [one.dice(labels, number) for one, labels in judged]
    apart = [hausdorff(labels == number, one.truth == number, one.gap_mm) for one, labels in judged]
    return f"{np.mean(scores):.3f}; {np.mean(apart):.1f}"


def by_structure(values: Sequence[float] | FloatArray, digits: int) -> str:
    """A number of each structure, in their order."""
    return "/".join(f"{value:.{digits}f}" for value in values)


def hausdorff(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], gap_mm: float) -> float:
    """Largest distance between two masks (x, y, slice) in mm; the diagonal of the crop where only one is empty."""
    if not (first.any() or second.any()):
        return 0.0
    size = (PIXEL_MM, PIXEL_MM, gap_mm)
    if not (first.any() and second.any()):
        return float(np.linalg.norm(np.array(first.shape[:2]) * PIXEL_MM))
    to_first, to_second = (ndimage.distance_transform_edt(~mask, sampling=size) for mask in (first, second))
    return float(max(to_first[second].max(), to_second[first].max()))


def volume_table(patients: Sequence[Patient], numbers: Numbers) -> Iterator[str]:
    """Errors of volumes and ejection fractions, whether their intervals hold the truth, and what draws' spread says.

    Of the draws: Spearman's rho of their spread with the absolute error.
    """
    yield "| number | bias (sd) | mean absolute error | r | 90 % interval holds | median half width | rho of draws |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    draws = [drawn(patient.reading, patient.pixel_ml) for patient in patients]
    truths = [true_numbers(patient) for patient in patients]
    for name in (*VOLUMES, *FRACTIONS):
        true = np.array([truth[name] for truth in truths])
        found = np.array([number[name].value for number in numbers])
        ends = np.array([number[name].interval for number in numbers])
        scale = true if name in VOLUMES else np.ones(len(true))
        error, half = (found - true) / scale, (ends[:, 1] - ends[:, 0]) / 2 / scale
        held = ((ends[:, 0] <= true) & (true <= ends[:, 1])).mean()
        r = np.corrcoef(found, true)[0, 1] if len(true) > 1 else float("nan")
        spread = np.array([one[name].std() for one in draws]) / (found if name in VOLUMES else 1)
        written = _percent if name in VOLUMES else _plain
        yield (
            f"| {name} | {written(error.mean())} ({written(error.std())}) | {written(np.abs(error).mean())} | "
            f"{r:.3f} | {_percent(held)} | {written(np.median(half))} | {rank_correlation(spread, np.abs(error)):.2f} |"
        )


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _plain(value: float) -> str:
    return f"{value:.3f}"


def doubt_table(patients: Sequence[Patient], passes: Callable[[Judged], FloatArray] | None = None) -> Iterator[str]:
    """Per slice, Spearman with the error area; in brackets with the predicted perimeter partialled out.

    ``passes``: doubt of several passes with dropout of one phase, (3, slice).
    """
    judged = [one for patient in patients for one in patient.both]
    scores: dict[str, Callable[[Judged], npt.ArrayLike]] = {
        "predicted perimeter": lambda one: np.stack([perimeter(one.phase.called == n) for n in _CLASSES]),
        "entropy of one pass": lambda one: entropy(one.phase.probabilities).sum(axis=(1, 2)),
        "cross-task gap": lambda one: one.phase.gap.sum(axis=(1, 2)),
    }
    if passes is not None:
        scores["deviation of ten passes with dropout"] = passes
    errors = _by_slice(judged, error_area)
    edges = _by_slice(judged, scores["predicted perimeter"])
    bad = _by_slice(judged, _bad)
    shown = [(errors[n] > 0) | (edges[n] > 0) for n in range(3)]
    yield f"| doubt against error area, {sum(map(len, errors)) // 3} slices; AUROC for Dice < {BAD_DICE} {_HEAD}"
    yield _RULE
    for name, score in scores.items():
        cells = []
        for n, found in enumerate(_by_slice(judged, score)):
            at = shown[n]
            rho = rank_correlation(errors[n][at], found[at])
            alone = partial(errors[n][at], found[at], edges[n][at]) if name != "predicted perimeter" else float("nan")
            per_edge = found[at] if name == "predicted perimeter" else found[at] / np.maximum(1, edges[n][at])
            cells.append(f"{rho:.2f} ({alone:.2f}); {auroc(per_edge, bad[n][at] > 0):.2f}".replace(" (nan)", ""))
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield (
        "| bad slices | "
        + " | ".join(f"{int(b[at].sum())} of {at.sum()}" for b, at in zip(bad, shown, strict=True))
        + " |"
    )


def place_table(patients: Sequence[Patient]) -> Iterator[str]:
    """Error area and entropy for each pixel of the true border: first and last slice of each structure, and between."""
    judged = [one for patient in patients for one in patient.both]
    yield f"| error px; entropy, for each border px {_HEAD}"
    yield _RULE
    sums = {place: np.zeros((3, 3)) for place in ("base", "middle", "apex")}
    for one in judged:
        error, doubt = np.asarray(error_area(one)), entropy(one.phase.probabilities).sum(axis=(1, 2))
        for n in _CLASSES:
            edge = perimeter(one.truth == n)
            there = np.nonzero(edge)[0]
            for k in there:
                place = "base" if k == there[0] else "apex" if k == there[-1] else "middle"
                sums[place][n - 1] += (error[n - 1, k], doubt[n - 1, k], edge[k])
    for place, total in sums.items():
        yield f"| {place} | " + " | ".join(f"{t[0] / t[2]:.2f}; {t[1] / t[2]:.2f}" for t in total) + " |"


def calibration_table(pixels: Pixels, temperature: float) -> Iterator[str]:
    """Before and after the temperature."""
    yield "| calibration, heart and 9 mm about it | ECE | Brier | NLL |"
    yield "| --- | ---: | ---: | ---: |"
    for name, t in (("as trained", 1.0), (f"temperature {temperature:.2f}", temperature)):
        found = calibration(pixels, t)
        yield f"| {name} | {found.ece:.3f} | {found.brier:.3f} | {found.nll:.3f} |"


def partial(first: npt.ArrayLike, second: npt.ArrayLike, given: npt.ArrayLike) -> float:
    """Rank correlation of two with a third held fixed."""
    ranks = np.corrcoef([rankdata(one) for one in (first, second, given)])
    return float((ranks[0, 1] - ranks[0, 2] * ranks[1, 2]) / np.sqrt((1 - ranks[0, 2] ** 2) * (1 - ranks[1, 2] ** 2)))


def _by_slice(judged: Sequence[Judged], score: Callable[[Judged], npt.ArrayLike]) -> list[FloatArray]:
    """A score (3, slice) of each phase, joined: one array for each structure."""
    return list(np.concatenate([np.asarray(score(one), float) for one in judged], axis=1))


def error_area(one: Judged) -> FloatArray:
    """Pixels of each slice that are wrong, by structure, (3, slice)."""
    return np.stack([((one.phase.called == n) != (one.truth == n)).sum(axis=(0, 1)) for n in _CLASSES]).astype(float)


def _bad(one: Judged) -> FloatArray:
    """Slices (3, slice) whose Dice is below BAD_DICE."""
    rows = []
    for n in _CLASSES:
        found, true = one.phase.called == n, one.truth == n
        total = (found.sum(axis=(0, 1)) + true.sum(axis=(0, 1))).astype(float)
        rows.append(2 * (found & true).sum(axis=(0, 1)) < BAD_DICE * total)
    return np.array(rows, float)
