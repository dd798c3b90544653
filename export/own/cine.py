"""python -m export cine --bids FOLDER --out BUNDLE: a bundle of short-axis hearts from a user's own people.

``python -m training cine --bids`` is the same command. Each step's things lie in a folder of the run (``OUT.run``
unless --run says where); the same command after a kill goes on where it was.
"""

from dataclasses import dataclass
from pathlib import Path

import models
from export.own.cine_steps import TABLES, CineSteps
from export.own.delivery import check_free
from export.own.plan import OwnBundlePlan, people_of, read_plan
from training.cine.people import find_hearts
from training.running.pipeline import Pipeline

#: A pig's (CC0): no site has to ship a patient's heart.
_GOLDEN = Path(str(models.__file__)).parent / "research" / "cine-sa" / "golden" / "cine.nii.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCinePlan(OwnBundlePlan):
    """``bids``: people with phase-ED and phase-ES, _cine and _dseg of each; ``out``: the bundle.

    ``plan``: full, tiny (minutes; to see that everything runs: what it makes judges nothing well), or a TOML file as
    export/own/cine-full.toml. ``folds``: parts of the people, each judged by a network that did not see it.
    ``leave_out``: people, by commas. ``golden``: a cine (4-D NIfTI) that ships with the bundle, by which it is checked
    before it judges. ``licence``: what the manifest says of the weights.
    """

    folds: int = 5
    golden: Path = _GOLDEN
    licence: str = "the site's own"


def make_cine(plan: OwnCinePlan) -> Path:
    """Every step that is not done; the bundle's folder.

    Raises:
        BidsError: the folder cannot be trained on, with every reason.
        PipelineError: ``out`` holds something else, or another command works in the run's folder.
    """
    sizes, run = read_plan(plan.plan, "cine", TABLES), plan.folder
    check_free(plan.out, run)
    steps = CineSteps(
        hearts=find_hearts(plan.bids, max(2, plan.folds), people_of(plan.leave_out)),
        folds=max(2, plan.folds),
        sizes=sizes,
        run=run,
        out=plan.out,
        golden=plan.golden,
        version=plan.version,
        licence=plan.licence,
        seed=plan.seed,
    )
    Pipeline(run, steps.all()).run()
    return plan.out
