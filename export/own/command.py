"""The command line of a user's own bundle."""

import argparse
import sys
from collections.abc import Sequence

from export.own.brain import OwnBrainPlan, make_brain
from models.bundle import BundleError
from training.bids.faults import BidsError
from training.running.options import add_options
from training.running.pipeline import PipelineError


def run(given: Sequence[str]) -> None:
    """Make the bundle; what is wrong with the folder ends it in a sentence a fault."""
    about = f"A brain bundle from people of your own, in one command that resumes. {OwnBrainPlan.__doc__}"
    parser = argparse.ArgumentParser(prog="python -m training brain", description=about)
    add_options(parser, OwnBrainPlan)
    plan = OwnBrainPlan(**vars(parser.parse_args(given)))
    try:
        out = make_brain(plan)
    except (BidsError, PipelineError, BundleError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print(f"{out}: the bundle; how good it is on people held out: {plan.folder / 'report' / 'report.md'}")
