"""The networks as the callables that models.brain.prediction takes: from torch checkpoints or an exported bundle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from models.brain.prediction import (
    JUDGE_FILE,
    JUDGE_GRAPH,
    LOCATOR_FILE,
    LOCATOR_GRAPH,
    Locate,
    NetworkGrid,
    Outputs,
    Prediction,
    judge_by,
    locate_by,
    predict,
    prepare,
)
from models.engines.interface import EngineError
from models.engines.onnxruntime import OnnxRuntimeEngine
from models.engines.openvino import OpenVinoEngine
from models.graphs import Engine, Graph, Run
from models.nets.brain import BrainConfig, BrainNet
from models.nets.cause import CauseHead
from models.nets.judge import Borders, Judge
from models.nets.locator import LOCATOR_TRUNK, Locator
from models.nets.stochastic import StochasticHead
from models.physics.artefacts import ARTEFACTS
from models.physics.spectrum import feature_names
from models.preprocess import Affine, FloatArray
from training.running.run import load_weights

#: The grid of the brain bundle: 2 mm, a box that holds every head about its brain.
BRAIN_GRID = NetworkGrid(spacing_mm=2.0, box=(96, 112, 96), locator_multiple=LOCATOR_TRUNK.multiple)
#: What the names of a brain network's variance weights begin with: who asks for its labels alone need not have them.
VARIANCES = "variances."


@dataclass(frozen=True, slots=True)
class Networks:
    """Locator and judge, ready to run on numpy arrays."""

    locate: Locate
    judge: Callable[[FloatArray, FloatArray], Outputs]

    def predict(self, voxels: FloatArray, affine: Affine) -> Prediction:
        """The whole path of the daemon, from the stored volume on."""
        return predict(prepare(voxels, affine, BRAIN_GRID, self.locate), self.judge)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """Where the trained parts of a brain bundle lie."""

    brain: Path
    cause: Path
    stochastic: Path
    borders: Path
    locator: Path


def load_judge(checkpoints: Checkpoints) -> Judge:
    """Brain network, cause head and stochastic head, joined as the bundle's judge graph is."""
    config = BrainConfig()
    brain, cause = BrainNet(config), CauseHead(len(feature_names()), len(ARTEFACTS))
    stochastic, borders = StochasticHead(config.evidence, config.tissues), Borders(config.tissues)
    load_weights(checkpoints.brain, brain)
    load_weights(checkpoints.cause, cause)
    load_weights(checkpoints.stochastic, stochastic, part="head.")
    load_weights(checkpoints.borders, borders)
    return Judge(brain, cause, stochastic, borders).eval()


def load_locator(path: Path) -> Locator:
    """The locator of a checkpoint, or of an exported graph."""
    locator = Locator()
    load_weights(path, locator)
    return locator.eval()


def locator_of(locator: Locator) -> Locate:
    """The locator as a callable on numpy arrays."""

    @torch.no_grad()
    def locate(image: FloatArray) -> FloatArray:
        brain: FloatArray = locator(torch.from_numpy(image)).sigmoid().numpy()
        return brain

    return locate


def torch_networks(judge: Judge, locator: Locator, *, alone: bool = False) -> Networks:
    """Networks that run in torch; ``alone``: variances as learnt, without a word from the spectrum."""

    @torch.no_grad()
    def run(image: FloatArray, features: FloatArray) -> Outputs:
        outputs = judge(torch.from_numpy(image), torch.from_numpy(features))
        if alone:
            outputs = outputs._replace(variances=judge.brain(torch.from_numpy(image)).log_variances.exp())
        return Outputs(*(output.numpy() for output in outputs))

    return Networks(locator_of(locator), run)


def onnx_graphs(bundle: Path) -> Mapping[str, Engine]:
    """The graphs in a bundle's folder, in ONNX Runtime on the CPU; no manifest is needed yet."""
    return {name: OnnxRuntimeEngine(graph) for name, graph in _graphs(bundle).items()}


def _graphs(bundle: Path) -> Mapping[str, Graph]:
    files = {LOCATOR_GRAPH: LOCATOR_FILE, JUDGE_GRAPH: JUDGE_FILE}
    return {name: Graph(bundle=bundle.name, digest="", name=name, file=bundle / file) for name, file in files.items()}


def networks_by(graphs: Mapping[str, Run]) -> Networks:
    """Networks that run by engines."""
    return Networks(locate_by(graphs), judge_by(graphs))


def onnx_networks(bundle: Path) -> Networks:
    """The networks of a bundle's folder in ONNX Runtime on the CPU."""
    return networks_by(onnx_graphs(bundle))


def bundle_networks(bundle: Path, threads: int = 0) -> Networks:
    """The networks of a bundle's folder in float32 by OpenVINO, or by ONNX Runtime where that is not installed."""
    try:
        return networks_by({name: OpenVinoEngine(graph, threads=threads) for name, graph in _graphs(bundle).items()})
    except EngineError:
        return onnx_networks(bundle)
