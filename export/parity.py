"""The parity gate: a bundle is written only if ONNX Runtime says what torch says."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch

from models.brain.prediction import Outputs, Prepared
from models.graphs import Run
from models.lesions.prediction import IMAGES, drawn_masks, whole_masks
from models.nets.judge import Judge
from models.preprocess import FloatArray
from training.lesions.network import ServedNet, run_of

#: How far ONNX is from torch: largest absolute differences of each output, and the share of equal labels.
Parity = Mapping[str, float]

#: Largest differences that pass, and the least share of equal labels.
TOLERANCE: Parity = {
    "logits": 2e-2,
    "variances": 1e-2,
    "causes": 1e-3,
    "factor": 1e-2,
    "deviation": 1e-2,
    "embedding": 1e-2,
    "entropy": 1e-2,
    "labels_equal": 0.9995,
}


_EQUAL = "labels_equal"
#: Largest difference of a lesion's probability that passes; passes with dropped channels, and the share of these.
_LESION_TOLERANCE, _LESION_PASSES, _LESION_DROPPED = 1e-3, 3, 0.2


class ParityError(Exception):
    """ONNX and torch disagree: the bundle was not written."""


def measure_parity(judge: Judge, run: Run, heads: Iterable[Prepared]) -> Parity:
    """The largest differences between torch and ONNX Runtime over several prepared heads."""
    found = [_compare(judge, run, head) for head in heads]
    largest = {name: max(parity[name] for parity in found) for name in Outputs._fields}
    return largest | {_EQUAL: min(parity[_EQUAL] for parity in found)}


def check_parity(parity: Parity) -> None:
    """Pass or refuse.

    Raises:
        ParityError: a difference is beyond the tolerance, or not a number.
    """
    close = all(parity[name] <= TOLERANCE[name] for name in Outputs._fields)
    if not (close and parity[_EQUAL] >= TOLERANCE[_EQUAL]):
        raise ParityError(f"ONNX differs from torch: {parity}; tolerated: {TOLERANCE}")


def _compare(judge: Judge, run: Run, head: Prepared) -> Parity:
    image, features = head.image[None, None], head.features[None]
    with torch.no_grad():
        expected = Outputs(*(t.numpy() for t in judge(torch.from_numpy(image), torch.from_numpy(features))))
    found = Outputs(**run({"image": image, "features": features}))
    differences = {
        name: float(np.abs(a - b).max()) for name, a, b in zip(Outputs._fields, expected, found, strict=True)
    }
    equal = float((expected.logits.argmax(axis=1) == found.logits.argmax(axis=1)).mean())
    return differences | {_EQUAL: equal}


def measure_lesion_parity(network: ServedNet, run: Run, boxes: Iterable[FloatArray]) -> Parity:
    """Largest difference between torch and a runtime, plain and with dropped channels, and how much passes vary.

    ``boxes``: what the graph takes, each (1, contrasts, D, H, W).

    Raises:
        ParityError: of one head they differ by too much, or its passes do not differ: the runtime dropped the masks.
    """
    channels, torch_run = network.network.config.masks, run_of(network)
    largest, spread = 0.0, np.inf
    for box in boxes:
        images = {IMAGES: box}
        ways = [whole_masks(channels), *drawn_masks(channels, passes=_LESION_PASSES, share=_LESION_DROPPED)]
        found = [run({**images, **masks}) for masks in ways]
        expected = [torch_run({**images, **masks}) for masks in ways]
        gaps = [np.abs(a[name] - b[name]).max() for a, b in zip(found, expected, strict=True) for name in a]
        largest = max(largest, float(max(gaps)))
        spread = min(spread, float(np.var([out["lesion"] for out in found[1:]], axis=0).max()))
        if not (largest <= _LESION_TOLERANCE and spread > 0):
            raise ParityError(
                f"ONNX differs from torch by {largest:.2g} ({_LESION_TOLERANCE} passes), passes vary by {spread:.2g}"
            )
    return {"probability": largest, "variance over passes": spread}
