"""python -m export brain --bids FOLDER --out BUNDLE: a brain bundle from a user's own people, every step of it.

``python -m training brain`` is the same command. Each step's things lie in a folder of the run (``OUT.run`` unless
--run says where); the same command after a kill goes on where it was.
"""

from dataclasses import dataclass
from pathlib import Path

from export.own.brain_steps import TABLES, BrainSteps
from export.own.delivery import check_free
from export.own.plan import OwnBundlePlan, people_of, read_plan
from models.bundle import load_bundle
from training.bids.finding import Wanted, find_scans
from training.running.pipeline import Pipeline
from training.synthesis.own_people import part


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBrainPlan(OwnBundlePlan):
    """``bids``: people with T1w images, and segmentations below derivatives/ (or beside them); ``out``: the bundle.

    ``plan``: full, tiny (minutes; to see that everything runs: what it makes judges nothing well), or a TOML file as
    export/own/brain-full.toml. ``start``: a bundle whose locator, labels and causes training goes on from.
    ``leave_out``: people, by commas. ``desc``: which segmentations, where there are several. ``held_out``: share of the
    people that nothing is fitted on and that the report judges.
    """

    start: Path | None = None
    desc: str = ""
    held_out: float = 0.2


def make_brain(plan: OwnBrainPlan) -> Path:
    """Every step that is not done; the bundle's folder.

    Raises:
        BidsError: the folder cannot be trained on, with every reason.
        PipelineError: ``out`` holds something else, or another command works in the run's folder.
        BundleError: the plan's file or the bundle to start from is none.
    """
    sizes, run = read_plan(plan.plan, "brain", TABLES), plan.folder
    check_free(plan.out, run)
    if plan.start is not None:
        load_bundle(plan.start)
    scans = find_scans(plan.bids, Wanted(desc=plan.desc), people_of(plan.leave_out))
    steps = BrainSteps(
        parted=part(scans, plan.held_out, plan.seed),
        sizes=sizes,
        run=run,
        out=plan.out,
        start=plan.start,
        version=plan.version,
        seed=plan.seed,
    )
    Pipeline(run, steps.all()).run()
    return plan.out
