"""Which of the volumes of a series that shows one anatomy several times are examined: one, or all of one kind.

The rule, in this order: the magnitude, where phase, real or imaginary images lie beside it; the original, where images
derived from it do; the first echo. What still differs then (in time, diffusion weighting, inversion time ...) is a
series that no single volume stands for, and one image with a time axis for a method that asks for all of it.
"""

from collections.abc import Sequence
from typing import Final

from daemon.core.errors import NotAssessable, Reason
from models.subject import Dimensions, Quantity

#: Facts, and how people say that volumes differ by them.
_WORDS: Final = {
    "Stack": "in different places",
    "ImageType": "of different image types",
    "ComplexImageComponent": "of different image types",
    "ASLContext": "with and without spin labelling",
    "InversionTime": "by inversion time",
    "FlipAngle": "by flip angle",
    "DiffusionBValue": "by diffusion weighting",
    "DiffusionGradientOrientation": "by diffusion weighting",
    "TemporalPositionIdentifier": "in time",
    "TriggerTime": "in time",
    "ReceiveCoilName": "by receive coil",
    "AcquisitionNumber": "in time",
    "Repetition": "in time",
}

#: Values of ImageType and ComplexImageComponent (PS3.3, C.8.3.1.1.1 and C.8.13.3.1.1).
_MAGNITUDE: Final = frozenset({"M", "MAGNITUDE"})
_COMPLEX: Final = frozenset({"P", "PHASE", "R", "REAL", "I", "IMAGINARY"})


def choose(volumes: Sequence[Dimensions]) -> int:
    """The number of the volume that stands for a series.

    Raises:
        NotAssessable: SEVERAL, no single one does; the detail says how they differ.
    """
    left = of_one_kind(volumes)
    if len(left) == 1:
        return left[0]
    raise NotAssessable(Reason.SEVERAL, _difference([volumes[n] for n in left]))


def choose_all(volumes: Sequence[Dimensions]) -> tuple[int, ...]:
    """The numbers of the volumes that are one image with a time axis.

    Raises:
        NotAssessable: SEVERAL, they lie in different places.
    """
    left = of_one_kind(volumes)
    places = [volumes[n].get("Stack") for n in left]
    if any(place != places[0] for place in places):
        raise NotAssessable(Reason.SEVERAL, _difference([volumes[n] for n in left]))
    return left


def of_one_kind(volumes: Sequence[Dimensions]) -> tuple[int, ...]:
    """The numbers of the volumes that are left when magnitude, original and first echo were preferred: one at least."""
    left = list(range(len(volumes)))
    for prefer in (_magnitude, _original, _first_echo):
        left = prefer(left, volumes)
    return tuple(left)


def _magnitude(left: list[int], volumes: Sequence[Dimensions]) -> list[int]:
    others = [n for n in left if not _COMPLEX & _types(volumes[n])]
    return [n for n in others if _MAGNITUDE & _types(volumes[n])] or others or left


def _original(left: list[int], volumes: Sequence[Dimensions]) -> list[int]:
    return [n for n in left if "ORIGINAL" in _types(volumes[n])] or left


def _first_echo(left: list[int], volumes: Sequence[Dimensions]) -> list[int]:
    """The volumes of the shortest echo time, or, where only numbers are stated, of the smallest echo number."""
    for name in ("EchoTime", "EchoNumbers"):
        least = min(_number(volumes[n], name) for n in left)
        left = [n for n in left if _number(volumes[n], name) == least]
    return left


def _types(dimensions: Dimensions) -> set[str]:
    return {word for name in ("ImageType", "ComplexImageComponent") for word in _of(dimensions, name).words}


def _number(dimensions: Dimensions, name: str) -> float:
    return _of(dimensions, name).number or 0.0


def _of(dimensions: Dimensions, name: str) -> Quantity:
    return dimensions.get(name, _SILENT)


_SILENT: Final = Quantity(())


def _difference(volumes: Sequence[Dimensions]) -> str:
    """Such as "24 volumes in time"."""
    names = dict.fromkeys(name for dimensions in volumes for name in dimensions)
    differ = [name for name in names if len({dimensions.get(name) for dimensions in volumes}) > 1]
    words = list(dict.fromkeys(_WORDS[name] for name in differ if name in _WORDS))
    return f"{len(volumes)} volumes {' and '.join(words)}"
