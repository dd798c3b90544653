"""python -m export: a bundle from checkpoints; refuses to write one that does not say what torch says.

``python -m export brain --bids FOLDER --out BUNDLE`` makes one from people of your own, every step of it, and
``cine --bids ...`` one of hearts, ``lesions --bids ...`` one of white-matter lesions; ``python -m export lesions``
without people makes the bundle of lesions from its checkpoint, anything else the brain's.
"""

import argparse
import sys
from collections.abc import Sequence

from training.running.extra import answer_without


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command: make a bundle of people, or export one and print where it lies and how close it is to torch."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from export.brain import ExportPlan, export_brain
        from export.lesions import LesionExportPlan, export_lesion_bundle
        from export.own.command import run
        from training.running.options import add_options, asks_for_whole
    except ModuleNotFoundError as error:
        sys.exit(answer_without(error, given, "python -m export", str(__doc__)))
    if given[:1] == ["cine"] or asks_for_whole(given):
        run(given[0], given[1:])
        return
    lesions = given[:1] == ["lesions"]
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    add_options(parser, LesionExportPlan if lesions else ExportPlan)
    plan = vars(parser.parse_args(given[1:] if lesions else given))
    bundle = export_lesion_bundle(LesionExportPlan(**plan)) if lesions else export_brain(ExportPlan(**plan))
    print(f"{bundle.folder} {bundle.manifest.version} {bundle.digest[:12]}: {bundle.manifest.parity}")


if __name__ == "__main__":
    main()
