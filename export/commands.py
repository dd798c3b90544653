"""The commands of ``python -m export``."""

import argparse
from collections.abc import Sequence

from export.brain import ExportPlan, export_brain
from export.lesions import LesionExportPlan, export_lesion_bundle
from training.running.options import add_options


def run(given: Sequence[str]) -> None:
    """Export a bundle and print where it lies and how close it is to torch."""
    lesions = list(given[:1]) == ["lesions"]
    parser = argparse.ArgumentParser(prog="python -m export", description="A bundle from checkpoints.")
    add_options(parser, LesionExportPlan if lesions else ExportPlan)
    plan = vars(parser.parse_args(given[1:] if lesions else given))
    bundle = export_lesion_bundle(LesionExportPlan(**plan)) if lesions else export_brain(ExportPlan(**plan))
    print(f"{bundle.folder} {bundle.manifest.version} {bundle.digest[:12]}: {bundle.manifest.parity}")
