"""Hearts as refinement sees them: which masks are anomalous, and how good the masks are where that is known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.cine.crops import network_input
from models.cine.plausibility import pseudo_scores, said_again
from models.graphs import Run
from training.cine.judge import Judged, Patient
from training.cine.stacks import STRUCTURES
from training.cine.tables import hausdorff

#: Interquartile ranges below the first quartile at which a pseudo Dice is anomalous (Tukey 1977; paper 004, 2.2).
_FENCE = 1.5
_CLASSES = range(1, len(STRUCTURES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Means over phases: ``dice`` and ``hausdorff_mm`` of the right ventricle, the myocardium and the left ventricle.

    ``phases``: how many.
    """

    phases: int
    dice: tuple[float, ...]
    hausdorff_mm: tuple[float, ...]

    @classmethod
    def of(cls, judged: Sequence[Judged]) -> "Agreement":
        """Of masks as they are called, before any clean-up."""
        dice = [[one.dice(one.phase.called, n) for n in _CLASSES] for one in judged]
        apart = [[hausdorff(one.phase.called == n, one.truth == n, one.gap_mm) for n in _CLASSES] for one in judged]
        means = [tuple(np.mean(values, axis=0).tolist()) if judged else () for values in (dice, apart)]
        return cls(phases=len(judged), dice=means[0], hausdorff_mm=means[1])


def least_pseudo_dice(one: Judged, graph: Run) -> float:
    """Of the structures of a phase, as it is called."""
    scores = pseudo_scores(one.phase.called, said_again(one.phase.called, graph), one.gap_mm)
    return min(dice for dice, _ in scores.values())


def fence(pseudo_dice: Sequence[float]) -> float:
    """What is below is anomalous: the first quartile less 1.5 interquartile ranges."""
    first, third = np.quantile(pseudo_dice, (0.25, 0.75))
    return float(first - _FENCE * (third - first))


def upper_fence(pseudo_hausdorff_mm: Sequence[float]) -> float:
    """What is above is anomalous: the third quartile and 1.5 interquartile ranges."""
    first, third = np.quantile(pseudo_hausdorff_mm, (0.25, 0.75))
    return float(third + _FENCE * (third - first))


def phases_of(patients: Sequence[Patient]) -> Iterator[tuple[Patient, Judged]]:
    """Both of each patient."""
    for patient in patients:
        for one in patient.both:
            yield patient, one


def slices_of(patient: Patient, one: Judged) -> Tensor:
    """The slices of a phase as the network takes them, float32 (slice, 3, CROP, CROP)."""
    crops = patient.reading.crops[one.phase.number]
    image: npt.NDArray[np.float32] = network_input(crops, one.gap_mm)
    return torch.from_numpy(np.ascontiguousarray(image))
