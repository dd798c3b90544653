"""The parity gate: a bundle is written only if ONNX Runtime says what torch says."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch

from models.brain.prediction import Outputs, Prepared
from models.graphs import Run
from models.nets.judge import Judge

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
