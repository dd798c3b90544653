"""Which of several volumes stands for a series that shows one anatomy several times.

The rule, in this order: the magnitude, where phase, real or imaginary images lie beside it; the original, where images
derived from it do; the first echo. What still differs then (in time, diffusion weighting, inversion time ...) is a
series that no single volume stands for.
"""

from collections.abc import Sequence
from typing import Final

from daemon.core.errors import NotAssessable, Reason

#: What sets a volume apart from the others of its series, as in ``Volume.dimension``: ("EchoTime=4.92", ...).
Labels = tuple[str, ...]

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
    "AcquisitionNumber": "in time",
    "Repetition": "in time",
}

#: Values of ImageType and ComplexImageComponent (PS3.3, C.8.3.1.1.1 and C.8.13.3.1.1).
_MAGNITUDE: Final = frozenset({"M", "MAGNITUDE"})
_COMPLEX: Final = frozenset({"P", "PHASE", "R", "REAL", "I", "IMAGINARY"})


def choose(volumes: Sequence[Labels]) -> int:
    """The number of the volume that stands for a series.

    Raises:
        NotAssessable: SEVERAL, no single one does; the detail says how they differ.
    """
    left = list(range(len(volumes)))
    for prefer in (_magnitude, _original, _first_echo):
        left = prefer(left, volumes)
    if len(left) == 1:
        return left[0]
    raise NotAssessable(Reason.SEVERAL, _difference([volumes[n] for n in left]))


def _magnitude(left: list[int], volumes: Sequence[Labels]) -> list[int]:
    others = [n for n in left if not _COMPLEX & _types(volumes[n])]
    return [n for n in others if _MAGNITUDE & _types(volumes[n])] or others or left


def _original(left: list[int], volumes: Sequence[Labels]) -> list[int]:
    return [n for n in left if "ORIGINAL" in _types(volumes[n])] or left


def _first_echo(left: list[int], volumes: Sequence[Labels]) -> list[int]:
    """The volumes of the shortest echo time, or, where only numbers are stated, of the smallest echo number."""
    for name in ("EchoTime", "EchoNumbers"):
        least = min(_number(volumes[n], name) for n in left)
        left = [n for n in left if _number(volumes[n], name) == least]
    return left


def _values(labels: Labels, name: str) -> tuple[str, ...]:
    return next((tuple(label[len(name) + 1 :].split("\\")) for label in labels if label.startswith(f"{name}=")), ())


def _types(labels: Labels) -> set[str]:
    return {value for name in ("ImageType", "ComplexImageComponent") for value in _values(labels, name)}


def _number(labels: Labels, name: str) -> float:
    value = next(iter(_values(labels, name)), "")
    return float(value) if value else 0.0


def _difference(volumes: Sequence[Labels]) -> str:
    """Such as "24 volumes in time"."""
    shared = set(volumes[0]).intersection(*volumes[1:])
    names = dict.fromkeys(label.partition("=")[0] for labels in volumes for label in labels if label not in shared)
    words = list(dict.fromkeys(_WORDS[name] for name in names if name in _WORDS))
    return f"{len(volumes)} volumes {' and '.join(words)}"
