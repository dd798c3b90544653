"""python -m export: a bundle from checkpoints; refuses to write one that does not say what torch says."""

import argparse
from collections.abc import Sequence

from export.brain import ExportPlan, export_brain
from training.running.options import add_options


def main(arguments: Sequence[str] | None = None) -> None:
    """Export the brain bundle and print where it lies and how close it is to torch."""
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    add_options(parser, ExportPlan)
    bundle = export_brain(ExportPlan(**vars(parser.parse_args(arguments))))
    print(f"{bundle.folder} {bundle.manifest.version} {bundle.digest[:12]}: {bundle.manifest.parity}")


if __name__ == "__main__":
    main()
