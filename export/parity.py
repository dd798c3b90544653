"""The parity gate: a bundle is written only if ONNX Runtime says what torch says."""

from collections.abc import Iterable, Sequence

import numpy as np
import onnxruntime
import torch

from models.bundle import Parity
from models.nets.judge import Judge
from models.prediction import Prepared

#: Largest differences that pass (logits, variances, causes), and the least share of equal labels.
TOLERANCE = Parity(logits=2e-2, variances=1e-2, causes=1e-3, labels_equal=0.9995)


class ParityError(Exception):
    """ONNX and torch disagree: the bundle was not written."""


def measure_parity(judge: Judge, session: onnxruntime.InferenceSession, heads: Iterable[Prepared]) -> Parity:
    """The largest differences between torch and ONNX Runtime over several prepared heads."""
    found = [_compare(judge, session, head) for head in heads]
    return Parity(
        logits=max(p.logits for p in found),
        variances=max(p.variances for p in found),
        causes=max(p.causes for p in found),
        labels_equal=min(p.labels_equal for p in found),
    )


def check_parity(parity: Parity) -> None:
    """Pass or refuse.

    Raises:
        ParityError: a difference is beyond the tolerance, or not a number.
    """
    close = all(getattr(parity, name) <= getattr(TOLERANCE, name) for name in ("logits", "variances", "causes"))
    if not (close and parity.labels_equal >= TOLERANCE.labels_equal):
        raise ParityError(f"ONNX differs from torch: {parity}; tolerated: {TOLERANCE}")


def _compare(judge: Judge, session: onnxruntime.InferenceSession, head: Prepared) -> Parity:
    image, features = head.image[None, None], head.features[None]
    with torch.no_grad():
        expected = [t.numpy() for t in judge(torch.from_numpy(image), torch.from_numpy(features))]
    found: Sequence[np.ndarray] = session.run(None, {"image": image, "features": features})
    logits, variances, causes = (float(np.abs(a - b).max()) for a, b in zip(expected, found, strict=True))
    equal = float((expected[0].argmax(axis=1) == found[0].argmax(axis=1)).mean())
    return Parity(logits=logits, variances=variances, causes=causes, labels_equal=equal)
