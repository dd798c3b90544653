"""The commands of ``python -m export``."""

import argparse
import sys
from collections.abc import Sequence

from export.brain import ExportPlan, export_brain
from export.lesions import LesionExportPlan, export_lesion_bundle
from export.own.brain import OwnBrainPlan, make_brain
from models.bundle import BundleError
from training.bids.faults import BidsError
from training.running.options import add_options
from training.running.pipeline import PipelineError


def run(given: Sequence[str]) -> None:
    """Make a bundle from a folder of people, or export one and print where it lies and how close it is to torch."""
    if list(given[:1]) == ["brain"]:
        _own_brain(given[1:])
        return
    lesions = list(given[:1]) == ["lesions"]
    parser = argparse.ArgumentParser(prog="python -m export", description="A bundle from checkpoints.")
    add_options(parser, LesionExportPlan if lesions else ExportPlan)
    plan = vars(parser.parse_args(given[1:] if lesions else given))
    bundle = export_lesion_bundle(LesionExportPlan(**plan)) if lesions else export_brain(ExportPlan(**plan))
    print(f"{bundle.folder} {bundle.manifest.version} {bundle.digest[:12]}: {bundle.manifest.parity}")


def _own_brain(given: Sequence[str]) -> None:
    """A user's own bundle; what is wrong with their folder ends it in a sentence a fault."""
    about = f"A brain bundle from people of your own, in one command that resumes. {OwnBrainPlan.__doc__}"
    parser = argparse.ArgumentParser(prog="python -m training brain", description=about)
    add_options(parser, OwnBrainPlan)
    plan = OwnBrainPlan(**vars(parser.parse_args(given)))
    try:
        out = make_brain(plan)
    except (BidsError, PipelineError, BundleError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print(f"{out}: the bundle; how good it is on people held out: {plan.folder / 'report' / 'report.md'}")
