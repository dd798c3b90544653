"""What all bundles of one method declare alike (``brain.toml``, ``lesions.toml``), and what their graphs declare.

``artefacts.toml``: what bundles of both methods declare that tell artefacts apart.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.bundle import structured
from models.engines.interface import BF16, F32
from models.engines.onnxruntime import OnnxRuntimeEngine
from models.graphs import Graph
from models.manifest import GraphFile, Manifest, Tolerance

#: Files of a brain bundle beside its graphs.
FAMILIARITY = "familiarity.npz"
SERIES, SERIES_BESIDE, OUTPUTS = "golden/head.nii.gz", "golden/beside.nii.gz", "golden/outputs.npz"
#: How far a host may be off in each precision; the measured distances are in docs/latency.md.
TOLERANCES = {F32: Tolerance(numbers=0.02, outputs=0.01), BF16: Tolerance(numbers=0.05, outputs=0.05)}


def brain_manifest(measured: Mapping[str, Any]) -> Manifest:
    """A manifest of what all brain bundles declare, and of what was ``measured`` of this one, as plain values.

    Raises:
        BundleError: a field is missing, or there is one besides.
    """
    return manifest_of("brain", {"causes": declared("artefacts")["causes"], **measured})


def manifest_of(kind: str, measured: Mapping[str, Any]) -> Manifest:
    """The same of any ``kind`` of bundle.

    Raises:
        BundleError: a field is missing, or there is one besides.
    """
    return structured({"format": 5, **declared(kind), **measured}, Manifest)


def declared(kind: str) -> dict[str, Any]:
    """What ``kind``.toml beside this file says."""
    return tomllib.loads(Path(__file__).with_name(f"{kind}.toml").read_text())


def declare_graph(folder: Path, name: str, file: str, **shapes: tuple[int, ...]) -> GraphFile:
    """What the graph ``file`` in ``folder`` takes and gives; ``shapes``: of inputs that could have others too."""
    engine = OnnxRuntimeEngine(Graph(bundle=folder.name, digest="", name=name, file=folder / file))
    inputs = (replace(tensor, dims=shapes.get(tensor.name, tensor.dims)) for tensor in engine.inputs)
    return GraphFile(file=file, inputs=tuple(inputs), outputs=engine.outputs)
