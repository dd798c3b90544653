"""The expected loss of a bundle of a user's own people: of what its networks make of these people's images, spoilt."""

from pathlib import Path
from shutil import copytree, rmtree

from export.harm import Told, add_harm
from training.harm.choice import fit_shipped
from training.harm.images import Images
from training.harm.judging import HarmPlan, write_images


def tell_harm(plan: HarmPlan, bundle: Path, out: Path) -> None:
    """A copy of ``bundle`` at ``out`` that tells the loss, as far as the images of ``plan`` suffice; else one as it is.

    No label is needed, so that people whose labels trained the networks will do. What no whole head is stays as the
    bundle has it: a site's people may all be brain-extracted.
    """
    rmtree(out, ignore_errors=True)
    try:
        told = _learnt(write_images(plan))
    except ValueError as error:
        print(f"harm: the bundle tells no loss, {error}", flush=True)
        copytree(bundle, out)
    else:
        add_harm(bundle, told, out)


def _learnt(table: Path) -> Told:
    """What the table of judged images tells.

    Raises:
        ValueError: they are too few.
    """
    if not table.exists():
        raise ValueError("a head was found in no image")
    return Told(harm=fit_shipped(Images.read(table)), source="the site's own")
