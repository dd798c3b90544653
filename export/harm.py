"""python -m export.harm --bundle FOLDER --table images.csv --out FOLDER: a bundle that tells the loss an image costs.

The table is that of ``python -m training harm``. The interval holds over people and over families of artefacts that are
left out; no weight of a network changes.
"""

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cattrs import Converter

from models.bundle import Bundle, BundleError, load_bundle, structured, write_manifest
from models.methods.brain import BrainSettings
from models.statistics.harm import Harm, fit_harm
from training.evaluation.harm import CLEAN
from training.evaluation.harm_images import Images

#: Loss of Dice that a site puts up with, unless its configuration says otherwise.
TOLERATED = 0.05


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the bundle beside its place, then move it there."""
    parser = argparse.ArgumentParser(prog="python -m export.harm", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle that judged the images")
    parser.add_argument("--table", type=Path, required=True, help="images.csv of python -m training harm")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new bundle; it must not be there")
    options = parser.parse_args(arguments)
    bundle = add_harm(options.bundle, fit(Images.read(options.table)), options.out)
    print(f"{bundle.folder} {bundle.manifest.version} {bundle.digest[:12]}")


def fit(images: Images) -> Harm:
    """The harm of grey matter; clean images weigh as much as spoilt ones by their number alone."""
    families = [
        family if family != CLEAN else f"{CLEAN} {who}"
        for family, who in zip(images.family, images.person, strict=True)
    ]
    return fit_harm(images.names, images.numbers, images.harm, [images.person.tolist(), families])


def add_harm(folder: Path, harm: Harm, out: Path, tolerated: float = TOLERATED) -> Bundle:
    """A copy of a brain bundle with this harm.

    Raises:
        BundleError: the bundle is not whole, not of the brain method, or there is something at ``out``.
    """
    if out.exists():
        raise BundleError(f"{out} is there already: give another folder with --out")
    manifest = load_bundle(folder).manifest
    settings = Converter().unstructure(replace(structured(manifest.settings, BrainSettings), harm=harm))
    draft = out.with_name(out.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(folder, draft)
    thresholds = replace(manifest.thresholds, tolerated_loss=tolerated)
    write_manifest(draft, replace(manifest, settings=settings, thresholds=thresholds))
    load_bundle(draft)
    draft.rename(out)
    return load_bundle(out)


if __name__ == "__main__":
    main()
