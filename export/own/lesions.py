"""python -m export lesions --bids FOLDER --out BUNDLE: a bundle of white-matter lesions from a user's own people.

``python -m training lesions --bids`` is the same command. Each step's things lie in a folder of the run (``OUT.run``
unless --run says where); the same command after a kill goes on where it was.
"""

from dataclasses import dataclass
from pathlib import Path

import models
from export.own.delivery import check_free
from export.own.lesion_steps import TABLES, LesionSteps
from export.own.plan import OwnBundlePlan, people_of, read_plan
from training.lesions.own.people import find_people
from training.lesions.own.start import load_start
from training.running.pipeline import Pipeline

_START = Path(str(models.__file__)).parent / "research" / "brain-wmh"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLesionPlan(OwnBundlePlan):
    """``bids``: people with FLAIR, and a lesion mask of each on its grid, beside it or below derivatives/.

    ``out``: the bundle. ``plan``: full, tiny (minutes; to see that everything runs), or a TOML file as
    export/own/lesions-full.toml. ``start``: the bundle of FLAIR alone whose network training goes on from. ``folds``:
    parts of the people, each judged by a network that did not see it. ``leave_out``: people, by commas. ``desc``: which
    masks, where there are several. ``licence``: what the manifest says of the weights.
    """

    start: Path = _START
    desc: str = ""
    folds: int = 5
    licence: str = "the site's own"


def make_lesions(plan: OwnLesionPlan) -> Path:
    """Every step that is not done; the bundle's folder.

    Raises:
        BidsError: the folder cannot be trained on, with every reason.
        PipelineError: ``out`` holds something else, or another command works in the run's folder.
        BundleError: the bundle to start from is none, or takes more than a FLAIR.
    """
    sizes, run = read_plan(plan.plan, "lesions", TABLES), plan.folder
    check_free(plan.out, run)
    load_start(plan.start)
    folds = max(2, plan.folds)
    steps = LesionSteps(
        scans=find_people(plan.bids, folds, plan.desc, people_of(plan.leave_out)),
        folds=folds,
        sizes=sizes,
        run=run,
        out=plan.out,
        start=plan.start,
        version=plan.version,
        licence=plan.licence,
        seed=plan.seed,
    )
    Pipeline(run, steps.all()).run()
    return plan.out
