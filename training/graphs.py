"""The graphs of a bundle as training runs them."""

from models.bundle import Bundle
from models.engines.interface import BF16, F32
from models.engines.onnxruntime import OnnxRuntimeEngine
from models.engines.openvino import OpenVinoEngine
from models.graphs import Graph, Run


def graphs_of(bundle: Bundle, precision: str = F32) -> dict[str, Run]:
    """Each graph of a bundle: by ONNX Runtime, in bf16 by OpenVINO."""
    name = bundle.manifest.name
    graphs = {
        key: Graph(bundle=name, digest="", name=key, file=bundle.file(graph.file))
        for key, graph in bundle.manifest.graphs.items()
    }
    if precision == BF16:
        return {key: OpenVinoEngine(graph, precision=BF16, threads=1) for key, graph in graphs.items()}
    return {key: OnnxRuntimeEngine(graph) for key, graph in graphs.items()}
