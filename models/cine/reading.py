"""From a cine to what the network says of it: labels of every phase, and more of the two phases that are measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.special import softmax

from models.cine.beats import apart, phases, sampled_phases, smoothed, unlikeness
from models.cine.cleanup import cleaned
from models.cine.crops import Window, moving_centre, network_input, window
from models.cine.frame import Cine
from models.cine.plausibility import MASK_GRAPH, said_again
from models.graphs import Run

FloatArray = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]

#: The graphs: labels of many slices, and all that is known of a few.
SEGMENT_GRAPH, DETAIL_GRAPH = "segment", "detail"
#: Classes in the order of the graphs' axis.
CLASSES = ("background", "right ventricle", "myocardium", "left ventricle")
RV, MYO, LV = 1, 2, 3
#: Steepness of the mask that a distance map implies: 2 logits a pixel.
STEEPNESS = 32.0
#: The seed of the dropout masks: it only must not change.
_SEED = 20203
#: Share of the channels that a pass with dropout drops, as in training.
_DROPPED = 0.1


class Detail(NamedTuple):
    """The detail graph's outputs; ``logits`` (k, 4, CROP, CROP), ``distances`` (k, 3, ...), negative inside.

    ``factor`` (k, R, 4, ...): how the logits vary together.
    """

    logits: FloatArray
    distances: FloatArray
    factor: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phase:
    """One phase of a stack on the crop's grid.

    ``image`` float32 (x, y, slice), ``probabilities`` (4, x, y, slice), ``called`` and ``labels`` uint8 (x, y, slice)
    before and after the clean-up, ``gap`` (3, x, y, slice): |mask that the distance map implies - probability|;
    ``detail``: what the graph gave; ``again``: what the graph of masks makes of ``labels``, None without one.
    """

    number: int
    image: FloatArray
    probabilities: FloatArray
    called: Labels
    labels: Labels
    gap: FloatArray
    detail: Detail
    again: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """``crops`` (T, slice, CROP, CROP); ``curve`` (T,): mL of the left ventricle, smoothed; ``ed``, ``es``: its ends.

    ``image_es``: the phase that the image alone would call end-systole.
    """

    cine: Cine
    window: Window
    crops: FloatArray
    curve: npt.NDArray[np.float64]
    ed: Phase
    es: Phase
    image_es: int

    @property
    def phases_apart(self) -> int:
        """Phases between the two end-systoles."""
        return apart(self.es.number, self.image_es, len(self.crops))


def read(cine: Cine, graphs: Mapping[str, Run], temperature: float, pixel_ml: float) -> Reading:
    """The heart found, its curve over the beat, the two phases known in detail; ``pixel_ml``: volume of one pixel."""
    place = heart_window(cine, graphs)
    crops = place.crop(cine.frames.transpose(0, 3, 1, 2))
    asked = sampled_phases(len(crops))
    volumes = [(cleaned(segment(crops[t], cine.gap_mm, graphs)) == LV).sum() * pixel_ml for t in asked]
    curve = smoothed(volumes, asked, len(crops))
    ed, es = phases(curve)
    unlike = unlikeness(crops, ed)
    return Reading(
        cine=cine,
        window=place,
        crops=crops,
        curve=curve,
        ed=phase(ed, crops[ed], cine.gap_mm, graphs, temperature),
        es=phase(es, crops[es], cine.gap_mm, graphs, temperature),
        image_es=int(unlike.argmax()),
    )


def heart_window(cine: Cine, graphs: Mapping[str, Run]) -> Window:
    """Motion first, then what the network calls heart in the three middle slices of the first phase."""
    first = window(cine, moving_centre(cine))
    middle = cine.frames.shape[3] // 2
    near = slice(max(0, middle - 1), middle + 2)
    labels = segment(first.crop(cine.frames[0].transpose(2, 0, 1)), cine.gap_mm, graphs)[:, :, near]
    heart = ndimage.binary_opening((labels > 0).any(axis=2), iterations=2)
    if not heart.any():
        return first
    x, y = ndimage.center_of_mass(heart)
    return window(cine, first.place(float(x), float(y), cine.pixel_mm))


def segment(crops: FloatArray, gap_mm: float, graphs: Mapping[str, Run]) -> Labels:
    """Slices (k, CROP, CROP) of one phase -> their classes (x, y, slice)."""
    return called(graphs[SEGMENT_GRAPH]({"image": network_input(crops, gap_mm)})["logits"])


def called(logits: FloatArray) -> Labels:
    """The likeliest class of logits (k, classes, x, y) in each pixel, the first of equal ones, (x, y, slice)."""
    best, labels = logits[:, 0].copy(), np.zeros(logits[:, 0].shape, np.uint8)
    for number in range(1, logits.shape[1]):
        better = logits[:, number] > best
        labels[better] = number
        np.maximum(best, logits[:, number], out=best)
    return np.moveaxis(labels, 0, -1)


def phase(number: int, crops: FloatArray, gap_mm: float, graphs: Mapping[str, Run], temperature: float) -> Phase:
    """All that the network knows of one phase."""
    found = graphs[DETAIL_GRAPH]({"image": network_input(crops, gap_mm)})
    detail = Detail(*(np.asarray(found[name], np.float32) for name in Detail._fields))
    labels = cleaned(called(detail.logits))
    probabilities, gap = tempered(detail, temperature)
    return Phase(
        number=number,
        image=np.moveaxis(crops, 0, -1),
        probabilities=probabilities,
        called=called(detail.logits),
        labels=labels,
        gap=gap,
        detail=detail,
        again=said_again(labels, graphs[MASK_GRAPH]) if MASK_GRAPH in graphs else None,
    )


def tempered(detail: Detail, temperature: float) -> tuple[FloatArray, FloatArray]:
    """Probabilities (4, x, y, slice) of logits over ``temperature``, and their gap (3, ...) to the distance maps."""
    probabilities = np.moveaxis(softmax(detail.logits / temperature, axis=1).astype(np.float32), 0, -1)
    implied = 1 / (1 + np.exp(STEEPNESS * np.moveaxis(detail.distances, 0, -1)))
    return probabilities, np.abs(implied - probabilities[1:]).astype(np.float32)


def dropout_deviation(one: Phase, gap_mm: float, detail: Run, channels: int, passes: int = 10) -> FloatArray:
    """Deviation of the probabilities (4, x, y, slice) over passes that drop channels (paper 002, section 2.4).

    ``channels``: of all levels together; each pass drops a tenth of them, from a fixed seed.
    """
    image = network_input(np.moveaxis(one.image, -1, 0), gap_mm)
    chance = np.random.default_rng(_SEED)
    found = []
    for _ in range(passes):
        keep = (chance.random((len(image), channels)) >= _DROPPED).astype(np.float32) / np.float32(1 - _DROPPED)
        found.append(softmax(detail({"image": image, "keep": keep})["logits"], axis=1))
    return np.asarray(np.moveaxis(np.std(found, axis=0), 0, -1), np.float32)
