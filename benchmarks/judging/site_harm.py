"""What a site learns of its own losses, against what the bundle tells: people as a scanner's past and its future.

Half of the people are the accepted past of one protocol: each is spoilt by families of artefacts and judged again,
with the code of ``scanside calibrate --harm``. The others come afterwards, clean and spoilt by other draws, and are
judged without a loss, by the bundle's own, by what the site has learnt, and by the surer of the two, as the daemon
does it; then the halves change places. No label is used: the truth
is the loss of agreement with the same head as it came. What was judged is kept and not judged again. From the root::

    PYTHONPATH=. python benchmarks/judging/site_harm.py --data ../shared/data/brain --out /tmp/site-harm
"""

import argparse
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from daemon.config import shipped_bundles
from daemon.core.judging.assessment import assess
from daemon.core.judging.reference import of_manifest
from daemon.core.judging.site_harm import surer
from daemon.core.judging.verdict import decide
from daemon.core.measures import Assessment
from daemon.core.values import State
from daemon.edge.engines import OpenVinoSettings, engine_maker
from daemon.edge.files.nifti import read_nifti
from daemon.line.examination import Examiner, load_examiner
from models.findings import Findings, Loss, NotThis
from models.manifest import Manifest
from models.preprocess import coarsest_mm, spacing_of
from models.statistics.harm import CLEAN, Harm
from models.statistics.ranking import rank_correlation
from models.statistics.site_harm import fit_site, harm_between
from models.statistics.trials import Tried, trials_of
from models.subject import Image, Subject

IDLE, HURT = 0.05, 0.10
#: Where no head is found nothing is lower.
_LOST = 1e9
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One image: what it lost, and what the bundle alone says of it; nothing where no head was found."""

    tried: Tried
    assessment: Assessment | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="sub-XX/anat/sub-XX_T1w.nii.gz")
    parser.add_argument("--out", type=Path, required=True, help="what was judged; kept for the next run")
    parser.add_argument("--images", type=int, default=8, help="spoilt images of each person")
    parser.add_argument("--people", type=int, default=16)
    parser.add_argument("--tolerated", type=float, help="loss that the site puts up with, in place of the bundle's")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    paths = sorted(options.data.glob("sub-*/anat/*_T1w.nii.gz"))[: options.people]
    bundle = shipped_bundles()["brain-t1"]
    examiner = load_examiner(bundle, engine_maker(OpenVinoSettings(threads=1), options.out / "compiled"))
    images = [one for path in paths for one in judged(path, examiner, options.out, options.images)]
    manifest = examiner.bundle.manifest
    if options.tolerated is not None:
        manifest = replace(manifest, thresholds=replace(manifest.thresholds, tolerated_loss=options.tolerated))
    print(*tables(images, manifest), sep="\n")


def judged(path: Path, examiner: Examiner, out: Path, count: int) -> Iterator[Judged]:
    """A person's images; each is kept once it is judged."""
    person, manifest = path.parts[-3], examiner.bundle.manifest
    files = {trial: out / f"{person}-{trial.number:03d}.pickle" for trial in trials_of(person, "benchmark", count)}
    image = read_nifti(path)
    clean = None
    for trial, file in files.items():
        if not file.exists():
            clean = clean or examined(examiner, image)
            voxels = trial.applied_to(image.still, spacing_of(image.affine))
            found = clean if trial.family == CLEAN else examined(examiner, replace(image, voxels=voxels[None]))
            harm = 1.0 if found is None else harm_between(clean.source.structure(), found.source.structure())
            numbers = {} if found is None else dict(found.source.numbers())
            one = Judged(
                tried=Tried(series=person, number=trial.number, family=trial.family, harm=harm, numbers=numbers),
                assessment=found and assess(found, manifest, of_manifest(manifest, coarsest_mm(image.affine))),
            )
            file.with_suffix(".part").write_bytes(pickle.dumps(one))
            file.with_suffix(".part").rename(file)
            print(f"{person} {trial.family} {trial.severity:.2f}: harm {harm:.3f}", flush=True)
        yield pickle.loads(file.read_bytes())


def examined(examiner: Examiner, image: Image) -> Findings | None:
    """None where the method finds nothing that it judges."""
    (role,) = examiner.bundle.manifest.inputs
    try:
        return examiner.method.examine(Subject(images={role: image}), examiner.engines)
    except NotThis:
        return None


def tables(images: Sequence[Judged], manifest: Manifest) -> Iterator[str]:
    harms = np.array([one.tried.harm for one in images])
    clean = np.array([one.tried.family == CLEAN for one in images])
    people = {one.tried.series for one in images}
    counts = (
        f"{(harms > HURT).sum()} lost more than {HURT}, {((harms <= IDLE) & ~clean).sum()} spoilt ones {IDLE} or less"
    )
    yield f"{len(images)} images of {len(people)} people, {clean.sum()} as they came; {counts}"
    ways = losses(images)
    yield f"| tolerated loss {manifest.thresholds.tolerated_loss} | {' | '.join(ways)} |"
    yield f"| --- |{' ---: |' * len(ways)}"
    columns = [dict(column(images, manifest, told, harms, clean)) for told in ways.values()]
    yield from (f"| {name} | {' | '.join(one[name] for one in columns)} |" for name in columns[0])


def losses(images: Sequence[Judged]) -> dict[str, list[Loss | None]]:
    """What each way tells of each image."""
    people = sorted({one.tried.series for one in images})
    halves = people[::2], people[1::2]
    site: list[Loss | None] = [None] * len(images)
    for past, following in (halves, halves[::-1]):
        harm = fit_site([one.tried for one in images if one.tried.series in past])
        for number, one in enumerate(images):
            if one.tried.series in following:
                site[number] = loss(harm, one)
    own = [one.assessment.loss if one.assessment else None for one in images]
    return {
        "no loss told": [None] * len(images),
        "the bundle's own": own,
        "what the site learnt": site,
        "the surer of the two": [surer(a, b) if a and b else a or b for a, b in zip(own, site, strict=True)],
    }


def column(
    images: Sequence[Judged],
    manifest: Manifest,
    told: Sequence[Loss | None],
    harms: Numbers,
    clean: npt.NDArray[np.bool_],
) -> Iterator[tuple[str, str]]:
    """The rows of one way; without a loss images are ranked by the bundle's uncertainty."""
    states = [state(one, manifest, loss) for one, loss in zip(images, told, strict=True)]
    known = [n for n, loss in enumerate(told) if loss is not None]
    rank = [_LOST if one.assessment is None else one.assessment.rank.value for one in images]
    expected = [_LOST if loss is None else loss.expected for loss in told]
    yield "Spearman with the harm, all images", f"{rank_correlation(np.array(expected if known else rank), harms):.3f}"
    found = {State.RESCAN, State.REVIEW, State.NOT_ASSESSED}
    yield f"lost > {HURT}: RESCAN", share(states, harms > HURT, {State.RESCAN})
    yield f"lost > {HURT}: RESCAN or REVIEW", share(states, harms > HURT, found)
    yield f"RESCANs that lost {IDLE} or less", idle(states, harms)
    yield "clean: RESCAN", share(states, clean, {State.RESCAN})
    yield "clean: ACCEPT", share(states, clean, {State.ACCEPT})
    inside = [loss.interval[0] <= harms[n] <= loss.interval[1] for n in known if (loss := told[n]) is not None]
    yield "harm inside its interval (nominal 90 %)", f"{sum(inside)} of {len(inside)}" if inside else "not told"


def loss(harm: Harm | None, one: Judged) -> Loss | None:
    if harm is None or not one.tried.numbers:
        return None
    return Loss(expected=harm.expect(one.tried.numbers), interval=harm.interval(one.tried.numbers))


def state(one: Judged, manifest: Manifest, told: Loss | None) -> State:
    if one.assessment is None:
        return State.NOT_ASSESSED
    return decide(replace(one.assessment, loss=told), manifest).state


def share(states: Sequence[State], chosen: npt.NDArray[np.bool_], wanted: set[State]) -> str:
    return f"{sum(states[n] in wanted for n in np.flatnonzero(chosen))} of {chosen.sum()}"


def idle(states: Sequence[State], harms: Numbers) -> str:
    rescans = [harm for one, harm in zip(states, harms, strict=True) if one is State.RESCAN]
    return f"{sum(harm <= IDLE for harm in rescans)} of {len(rescans)}"


if __name__ == "__main__":
    main()
