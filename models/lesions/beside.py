"""A T1 beside the FLAIR that is judged: laid on it, or left out with the reason."""

import numpy as np

from models.brain.prediction import BrainBox, Locate, NetworkGrid, NoHeadFound, cut_about_brain
from models.lesions.prediction import scaled
from models.lesions.registration import laid, register, share_inside
from models.preprocess import FloatArray, Grid, canonical
from models.subject import Image

#: A header that is off by more than this is no header of the same session.
FARTHEST_MM, MOST_DEGREES = 60.0, 30.0
#: Two contrasts of one head tell more of each other than this (docs/lesions.md).
LEAST_INFORMATION = 1.05
#: The share of the brain that must be in the T1's field of view.
LEAST_INSIDE = 0.9


class NotUsable(Exception):
    """A series that is no T1 of the same head; the message says why."""


def laid_beside(image: Image, flair: BrainBox, network: NetworkGrid, locate: Locate) -> FloatArray:
    """The T1 on the ``flair``'s box, float32 (D, H, W), its brain's median at 1.

    Raises:
        NotUsable: it shows no head, another one, too little of it, or lies too far from where its header says.
    """
    if float(np.ptp(image.still)) == 0.0:
        raise NotUsable("no signal in it")
    try:
        box = cut_about_brain(image.still, image.affine, network, locate)
    except NoHeadFound as error:
        raise NotUsable("no head in it") from error
    found = register(flair, box)
    if found.information < LEAST_INFORMATION:
        raise NotUsable(f"it does not show the same head (information {found.information:.3f})")
    if found.moved_mm > FARTHEST_MM or found.turned_degrees > MOST_DEGREES:
        raise NotUsable(f"it lies {found.moved_mm:.0f} mm and {found.turned_degrees:.0f} degrees from its header")
    turned, affine = canonical(image.still, image.affine)
    inside = share_inside(flair.brain, flair.grid, found.movement, Grid(turned.shape, affine))
    if inside < LEAST_INSIDE:
        raise NotUsable(f"it shows {inside:.0%} of the brain")
    return scaled(laid(box, found.movement, flair.grid), flair.brain)
