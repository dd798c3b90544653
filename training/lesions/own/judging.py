"""People judged by the network that left them out, and by the bundle that it went on from: clean, and spoilt alike."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.graphs import Run
from models.methods.lesions import Lesions
from training.lesions.calibrate import best_threshold
from training.lesions.judged import Row, judge_person, read_rows, write_rows
from training.lesions.own.people import images_of, parts_of, people_in, read_person
from training.lesions.own.start import load_start, own_network
from training.lesions.people import Person, clean_and_spoilt

#: Rows of clean series before a threshold was chosen, and of all series after it.
_TRIED, _JUDGED = "tried", "judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgePlan:
    """``data``: people; ``start``: the bundle gone on from; ``runs``: of the ``folds``, ``{fold}`` for a number.

    ``out``: folder of the rows, a file an image; ``draws``: images of each with an artefact in three of four.
    """

    data: Path
    start: Path
    runs: str
    folds: int
    out: Path
    draws: int = 4
    seed: int = 1


def judge_own(plan: JudgePlan) -> None:
    """Everybody by the network that left them out, from the probability on that is best for the other people."""
    start, parts = load_start(plan.start), parts_of(plan.data, plan.folds)
    networks = [Path(plan.runs.format(fold=number)) / "checkpoint.pt" for number in range(plan.folds)]
    for part, checkpoint in zip(parts, networks, strict=True):
        graphs = start.run(own_network(checkpoint))
        _judge(plan.out / _TRIED, images_of(plan.data, part), start.method(), graphs, _clean)
    for part, checkpoint in zip(parts, networks, strict=True):
        others = [row for row in tried_rows(plan.out) if row.name not in part]
        method = start.method(threshold=best_threshold(others, 0.0))
        graphs = start.run(own_network(checkpoint))
        _judge(plan.out / _JUDGED, images_of(plan.data, part), method, graphs, _series(plan))


def judge_by_start(plan: JudgePlan) -> None:
    """The same series by the bundle itself, as it is."""
    start = load_start(plan.start)
    images = images_of(plan.data, people_in(plan.data))
    _judge(plan.out / _JUDGED, images, start.method(), start.graphs, _series(plan))


def tried_rows(folder: Path) -> list[Row]:
    """One of each clean image, whose ``by_threshold`` counts."""
    return [row for path in sorted((folder / _TRIED).glob("*.jsonl")) for row in read_rows(path)]


def judged_rows(folder: Path) -> dict[tuple[str, str], Row]:
    """Image and what was done to it -> its row."""
    paths = sorted((folder / _JUDGED).glob("*.jsonl"))
    return {(path.stem, row.spoilt): row for path in paths for row in read_rows(path)}


def _clean(person: Person) -> Iterator[Person]:
    yield person


def _series(plan: JudgePlan) -> Callable[[Person], Iterator[Person]]:
    return lambda person: clean_and_spoilt(person, plan.draws, plan.seed)


def _judge(
    folder: Path,
    images: Iterable[Path],
    method: Lesions,
    graphs: Mapping[str, Run],
    series: Callable[[Person], Iterator[Person]],
) -> None:
    """The rows of each image, in a file each; those that are there stay."""
    for image in images:
        path = folder / f"{image.name.removesuffix('_FLAIR.nii.gz')}.jsonl"
        if not path.exists():
            judged = (judge_person(one, method, graphs) for one in series(read_person(image)))
            partial = path.with_suffix(".part")
            write_rows(partial, [row for row in judged if row is not None])
            partial.rename(path)
