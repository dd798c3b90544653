"""Whether probabilities and volumes mean what they say, as Markdown lines: reliability, bias, coverage."""

from collections.abc import Iterator, Sequence

import numpy as np

from models.statistics.uncertainty import COVERAGE, Interval, conformal_limit, miss, widen
from training.evaluation.measure import BINS, Bin, Row
from training.evaluation.ranks import clean
from training.synthesis.labelmaps import TISSUES


def reliability_table(rows: Sequence[Row]) -> Iterator[str]:
    """Mean confidence and accuracy by bin and tissue, over all voxels of all images; the error below each group."""
    tissues = TISSUES[1:]
    yield "| images | confidence | " + " | ".join(tissues) + " |"
    yield "| --- | --- |" + " ---: |" * len(tissues)
    for group, shown in _groups(rows):
        pooled = {tissue: pool(shown, tissue) for tissue in tissues}
        for number in range(BINS):
            cells = [_cell(bins[number]) for bins in pooled.values()]
            if any(cells):
                span = f"{number / BINS:.1f} to {(number + 1) / BINS:.1f}"
                yield f"| {group} | {span} | " + " | ".join(cells) + " |"
        errors = [f"**{calibration_error(bins):.3f}**" for bins in pooled.values()]
        yield f"| {group} | **expected calibration error** | " + " | ".join(errors) + " |"


def volume_table(rows: Sequence[Row]) -> Iterator[str]:
    """Predicted minus true volume by tissue, and how often the interval holds the true one."""
    yield f"| images | tissue | number | true | bias | sd | within the {COVERAGE:.0%} interval |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for group, shown in _groups(rows):
        for tissue in TISSUES[1:]:
            known = [(row.volumes[tissue], row.true_volumes_ml[tissue]) for row in shown if tissue in row.volumes]
            if not known:
                continue
            truth = np.array([true for _, true in known])
            error = np.array([point for (_, point, _), _ in known]) - truth
            yield (
                f"| {group} | {tissue} | {len(known)} | {truth.mean():.0f} "
                f"| {error.mean():+.0f} | {error.std():.0f} | {_covered(known)} |"
            )


def interval_table(rows: Sequence[Row]) -> Iterator[str]:
    """How often a volume's interval holds the truth, and its width: as given, and calibrated on the other people.

    The second is what a site gets that calibrates: each person's intervals are widened by the margin that the other
    people's truths ask for (split conformal, one person left out).
    """
    yield "| tissue | images | as given: holds the truth | width | calibrated on the others | width | share |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | --- |"
    for tissue in TISSUES[1:]:
        known = [row for row in rows if np.isfinite(row.volumes.get(tissue, (np.nan,))).all()]
        if not known:
            continue
        truths = [row.true_volumes_ml[tissue] for row in known]
        drawn = [_ends(row, tissue) for row in known]
        calibrated = [widen(_ends(row, tissue), _margin(known, row.name, tissue)) for row in known]
        cells = [f"{_holds(i, truths)} of {len(known)} | {_width(i, truths):.0%}" for i in (drawn, calibrated)]
        share = _holds(calibrated, truths) / len(known)
        yield f"| {tissue} | {len(known)} | {' | '.join(cells)} | {share:.1%} |"


def _ends(row: Row, tissue: str) -> Interval:
    low, _, high = row.volumes[tissue]
    return low, high


def _margin(rows: Sequence[Row], person: str, tissue: str) -> float:
    """The margin that holds 90 % of the truths of everybody but ``person``."""
    misses = [miss(_ends(row, tissue), row.true_volumes_ml[tissue]) for row in rows if row.name != person]
    return conformal_limit(misses, 1 - COVERAGE)


def _holds(intervals: Sequence[Interval], truths: Sequence[float]) -> int:
    return sum(low <= truth <= high for (low, high), truth in zip(intervals, truths, strict=True))


def _width(intervals: Sequence[Interval], truths: Sequence[float]) -> float:
    """Mean width as a share of the truth."""
    return float(np.mean([(high - low) / truth for (low, high), truth in zip(intervals, truths, strict=True)]))


def pool(rows: Sequence[Row], tissue: str) -> tuple[Bin, ...]:
    """The sum of all images' bins of one tissue."""
    shown = [row.reliability[tissue] for row in rows if tissue in row.reliability]
    return tuple(
        Bin(
            voxels=sum(bins[n].voxels for bins in shown),
            confidence=sum(bins[n].confidence for bins in shown),
            right=sum(bins[n].right for bins in shown),
        )
        for n in range(BINS)
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: |accuracy - mean confidence| of each bin, weighted by voxels (Guo et al. 2017)."""
    voxels = sum(found.voxels for found in bins)
    return sum(abs(found.right - found.confidence) for found in bins) / voxels if voxels else float("nan")


def _groups(rows: Sequence[Row]) -> Iterator[tuple[str, Sequence[Row]]]:
    yield "clean", clean(rows)
    yield "with an artefact", [row for row in rows if row.artefacts]


def _cell(found: Bin) -> str:
    """Mean confidence and accuracy; empty where fewer than ten voxels fell into the bin."""
    if found.voxels < 10:
        return ""
    return f"{found.confidence / found.voxels:.2f}: {found.right / found.voxels:.2f}"


def _covered(known: Sequence[tuple[tuple[float, float, float], float]]) -> str:
    finite = [((low, high), true) for (low, _, high), true in known if np.isfinite([low, high]).all()]
    inside = _holds([ends for ends, _ in finite], [true for _, true in finite])
    return f"{inside}/{len(finite)}" if finite else "-"
