"""The five artefacts that Scanside tells apart, in the order of every artefact axis in the project."""

from enum import StrEnum


class Artefact(StrEnum):
    """A cause of poor image quality with its own variance (Shaw et al. 2021, section 3)."""

    #: Thermal noise: complex Gaussian in k-space, Rician in the magnitude image.
    NOISE = "noise"
    #: One k-space sample of far too large amplitude: a stripe pattern over the whole image.
    SPIKE = "spike"
    #: Loss of the outer k-space: lower resolution along one or more axes.
    BLUR = "blur"
    #: Missing k-space lines: the object folds over itself along one axis.
    WRAP = "wrap"
    #: Head movement between k-space lines: ghosts and smearing.
    MOTION = "motion"


ARTEFACTS: tuple[Artefact, ...] = tuple(Artefact)
