"""python -m export.harm --bundle FOLDER --table images.csv --out FOLDER --version X: a bundle that tells the loss.

The table is that of ``python -m training harm``; several are one. The interval holds over people and over families of
artefacts that are left out; no weight of a network changes. What lies farther from the known heads than nearly all
images of the table, half heads and extracted brains are refused from then on.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from cattrs import Converter

from export.draft import revised
from models.brain.familiarity import DISTANCES, FEATURES, HISTOGRAM
from models.bundle import Bundle, BundleError, structured
from models.manifest import Manifest
from models.methods.brain import BrainSettings
from models.statistics.harm import Harm
from training.harm.choice import fit_shipped
from training.harm.images import Images, joined
from training.harm.rows import FACT

#: Half heads of three people are cut over 94 to 165 cm2, heads in fields of view that end a fifth earlier at most 58.
LARGEST_CUT_CM2 = 90.0
#: Heads have 0.23 and more of bright signal around the brain, extracted brains next to none (docs/log.md).
LEAST_SCALP = 0.03
#: Farther than these of the known images lie those that are spoilt beyond telling, and what is no head.
NEARLY_ALL = 0.98
#: Contrasts of other scanners lie farther than those of the known ones; the deepest features differ less.
_MARGINS = {FEATURES: 1.0, HISTOGRAM: 1.25}
#: Loss of Dice that a site puts up with, unless its configuration says otherwise.
TOLERATED = 0.05
#: How the line of the manifest begins that says what the loss was learnt from.
_SAID = "the expected loss, no weight of a network: "


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the bundle beside its place, then move it there."""
    parser = argparse.ArgumentParser(prog="python -m export.harm", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle that judged the images")
    parser.add_argument("--table", type=Path, required=True, nargs="+", help="images.csv of python -m training harm")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new bundle; it must not be there")
    parser.add_argument("--version", default="", help="of the new bundle; without one that of the old")
    parser.add_argument("--source", default="", help="what heads the table is of, for the manifest")
    options = parser.parse_args(arguments)
    images = joined([Images.read(table) for table in options.table])
    told = Told(
        harm=fit_shipped(images),
        farthest=farthest(images),
        largest_cut_cm2=LARGEST_CUT_CM2,
        least_scalp=LEAST_SCALP,
        source=options.source,
    )
    bundle = add_harm(options.bundle, told, options.out, options.version)
    print(f"{bundle.folder} {bundle.manifest.version} {bundle.digest[:12]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a bundle learns from judged images: harm, how far the farthest of them lay; and what is no whole head.

    The limits are those of ``BrainSettings``; where the bundle has stricter ones, these stay.
    """

    harm: Harm
    farthest: Mapping[str, float] = field(default_factory=dict)
    largest_cut_cm2: float = math.inf
    least_scalp: float = 0.0
    tolerated: float = TOLERATED
    source: str = ""


def farthest(images: Images) -> dict[str, float]:
    """Distance -> how far nearly all of the images lie (``NEARLY_ALL``), clean or spoilt, with its margin."""
    quantiles = {name: np.quantile(images.column(f"{FACT}{name}"), NEARLY_ALL) for name in DISTANCES}
    return {name: float(quantile) * _MARGINS[name] for name, quantile in quantiles.items()}


def add_harm(folder: Path, told: Told, out: Path, version: str = "") -> Bundle:
    """A copy of a brain bundle that tells this.

    Raises:
        BundleError: the bundle is not whole, not of the brain method, or there is something at ``out``.
    """
    if out.exists():
        raise BundleError(f"{out} is there already: give another folder with --out")

    def revise(_draft: Path, manifest: Manifest) -> Manifest:
        settings = structured(manifest.settings, BrainSettings)
        learnt = replace(
            settings,
            harm=told.harm,
            farthest=settings.farthest or told.farthest,
            largest_cut_cm2=min(settings.largest_cut_cm2, told.largest_cut_cm2),
            least_scalp=max(settings.least_scalp, told.least_scalp),
        )
        return replace(
            manifest,
            version=version or manifest.version,
            settings=Converter().unstructure(learnt),
            thresholds=replace(manifest.thresholds, tolerated_loss=told.tolerated),
            training=replace(manifest.training, data=(*_without_harm(manifest.training.data), *_said(told))),
        )

    return revised(folder, out, revise)


def _said(told: Told) -> tuple[str, ...]:
    """What was fitted on which heads."""
    counted = f"{told.harm.images} images of {told.harm.people} people"
    return (f"{_SAID}{counted}, {told.source}",) if told.source else ()


def _without_harm(data: Sequence[str]) -> tuple[str, ...]:
    """What a bundle is learnt from, but for an expected loss that it told before."""
    return tuple(one for one in data if not one.startswith(_SAID))


if __name__ == "__main__":
    main()
