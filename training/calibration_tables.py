"""Whether probabilities and volumes mean what they say, as Markdown lines: reliability, bias, coverage."""

from collections.abc import Iterator, Sequence

import numpy as np

from models.uncertainty import COVERAGE
from training.labelmaps import TISSUES
from training.measure import BINS, Bin, Row
from training.ranks import clean


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
    intervals = [(low, high, true) for (low, _, high), true in known if np.isfinite([low, high]).all()]
    inside = sum(low <= true <= high for low, high, true in intervals)
    return f"{inside}/{len(intervals)}" if intervals else "-"
