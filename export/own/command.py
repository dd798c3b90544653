"""The command lines of a user's own bundles."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from export.own.brain import OwnBrainPlan, make_brain
from export.own.cine import OwnCinePlan, make_cine
from export.own.lesions import OwnLesionPlan, make_lesions
from models.bundle import BundleError
from training.bids.faults import BidsError
from training.running.options import add_options
from training.running.pipeline import PipelineError

_KINDS: Final[Mapping[str, tuple[type[Any], Callable[[Any], Path]]]] = {
    "brain": (OwnBrainPlan, make_brain),
    "cine": (OwnCinePlan, make_cine),
    "lesions": (OwnLesionPlan, make_lesions),
}


def run(kind: str, given: Sequence[str]) -> None:
    """Make a bundle of a ``kind``; what is wrong with the folder ends it in a sentence a fault."""
    options, make = _KINDS[kind]
    about = f"A {kind} bundle from people of your own, in one command that resumes. {options.__doc__}"
    parser = argparse.ArgumentParser(prog=f"python -m training {kind}", description=about)
    add_options(parser, options)
    plan = options(**vars(parser.parse_args(given)))
    try:
        out = make(plan)
    except (BidsError, PipelineError, BundleError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print(f"{out}: the bundle; how good it is on people held out: {plan.folder / 'report' / 'report.md'}")
