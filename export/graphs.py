"""torch -> ONNX: the graphs of the bundles, with named inputs and outputs; what runs those of lesions."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from models.brain.prediction import LOCATOR_FILE, LOCATOR_GRAPH, Outputs
from models.engines.onnxruntime import OnnxRuntimeEngine
from models.graphs import Graph, Run
from models.lesions.prediction import FILE, GRAPH, IMAGES, MASKS, OUTPUTS
from models.nets.judge import Judge
from models.nets.locator import LOCATOR_TRUNK, Locator
from training.lesions.network import ServedNet

OPSET = 20


class _Probability(nn.Module):
    """The locator with its sigmoid inside the graph."""

    def __init__(self, locator: Locator) -> None:
        super().__init__()
        self.locator = locator

    def forward(self, image: Tensor) -> Tensor:
        return torch.sigmoid(self.locator(image))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signature:
    """Names of a graph's inputs and outputs, and which sides of each input are free; None where all are fixed."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: tuple[dict[int, object] | None, ...] | None


def export_locator(locator: Locator, path: Path) -> None:
    """``image`` (1, 1, d, h, w), 8 mm, sides a multiple of the trunk's -> ``brain``, the probability of brain."""
    signature = _Signature(inputs=("image",), outputs=("brain",), shapes=(_free_sides(LOCATOR_TRUNK.multiple),))
    _export(_Probability(locator), (torch.zeros(1, 1, 32, 32, 32),), signature, path)


def export_judge(judge: Judge, path: Path) -> None:
    """``image`` (1, 1, D, H, W), ``features`` (1, F) -> the fields of ``models.brain.prediction.Outputs``."""
    signature = _Signature(
        inputs=("image", "features"),
        outputs=Outputs._fields,
        shapes=(_free_sides(judge.brain.config.trunk.multiple), None),
    )
    features = len(judge.cause.centre)
    _export(judge, (torch.zeros(1, 1, 64, 80, 64), torch.zeros(1, features)), signature, path)


def export_lesions(network: ServedNet, box: tuple[int, int, int], path: Path) -> None:
    """``images`` (1, contrasts, *box) and the dropout masks -> ``lesion`` and ``tissue``, probabilities."""
    config = network.network.config
    masks = tuple(torch.ones(1, channels) for channels in config.masks)
    signature = _Signature(inputs=(IMAGES, *MASKS), outputs=OUTPUTS, shapes=None)
    _export(network, (torch.zeros(1, config.trunk.inputs, *box), *masks), signature, path)


def lesion_engines(folder: Path) -> dict[str, Run]:
    """What runs the graphs of a lesion bundle that lie in ``folder``."""
    files = {LOCATOR_GRAPH: LOCATOR_FILE, GRAPH: FILE}
    return {
        name: OnnxRuntimeEngine(Graph(bundle=folder.name, digest="", name=name, file=folder / file))
        for name, file in files.items()
    }


def _free_sides(multiple: int) -> dict[int, object]:
    return {axis: multiple * torch.export.Dim(f"side{axis}", min=2, max=64) for axis in (2, 3, 4)}


def _export(network: nn.Module, example: tuple[Tensor, ...], signature: _Signature, path: Path) -> None:
    program = torch.onnx.export(
        network.eval(),
        example,
        dynamo=True,
        opset_version=OPSET,
        input_names=signature.inputs,
        output_names=signature.outputs,
        dynamic_shapes=signature.shapes,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing: it needs dynamo=True of torch >= 2.8")
    program.save(path)
