"""Small graphs: the product of a matrix, and one with an int64 and a boolean input."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import np_to_triton_dtype, triton_to_np_dtype

from models.graphs import Graph, Tensor

WEIGHT = np.arange(6, dtype=np.float32).reshape(3, 2)
PRODUCT = {
    "inputs": (Tensor(name="x", dtype="float32", dims=(None, 3)),),
    "outputs": (
        Tensor(name="y", dtype="float32", dims=(None, 2)),
        Tensor(name="z", dtype="float32", dims=(None, 3)),
    ),
}


def graph_of(file, name="graph", **declared):
    return Graph(bundle="toy", digest="d", name=name, file=file, **declared)


def write_product(path):
    """y = x w, and z = -x, of any number of rows."""
    made = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Neg", ["x"], ["z"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 2]),
            helper.make_tensor_value_info("z", TensorProto.FLOAT, ["rows", 3]),
        ],
        [numpy_helper.from_array(WEIGHT, "w")],
    )
    return _save(made, path)


def write_chosen(path):
    """rows = values[index] where the mask holds, else 0: int64 and bool go in, int64 comes out."""
    made = helper.make_graph(
        [
            helper.make_node("Gather", ["values", "index"], ["picked"]),
            helper.make_node("Where", ["mask", "picked", "none"], ["rows"]),
        ],
        "chosen",
        [
            helper.make_tensor_value_info("values", TensorProto.INT64, [4]),
            helper.make_tensor_value_info("index", TensorProto.INT64, ["n"]),
            helper.make_tensor_value_info("mask", TensorProto.BOOL, ["n"]),
        ],
        [helper.make_tensor_value_info("rows", TensorProto.INT64, ["n"])],
        [numpy_helper.from_array(np.zeros(1, np.int64), "none")],
    )
    return _save(made, path)


def write_twins(path):
    """Two outputs that are one and the same tensor, under names that come after the tensor's own."""
    made = helper.make_graph(
        [
            helper.make_node("Neg", ["x"], ["a"]),
            helper.make_node("Identity", ["a"], ["y"]),
            helper.make_node("Identity", ["a"], ["z"]),
        ],
        "twins",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 3]) for name in ("y", "z")],
        [],
    )
    return _save(made, path)


def _save(made, path):
    onnx.save(helper.make_model(made, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path


class TritonServer(service_pb2_grpc.GRPCInferenceServiceServicer):
    """As much of a Triton server as a client asks for, over ONNX Runtime. ``refusals``: answers to give first."""

    def __init__(self, models, refusals=()):
        self.sessions = {name: onnxruntime.InferenceSession(file) for name, file in models.items()}
        self.refusals = list(refusals)

    def ModelMetadata(self, request, context):  # noqa: N802 - the protocol's name
        session = self._session(request.name, context)
        answer = service_pb2.ModelMetadataResponse(name=request.name, versions=["1"], platform="onnxruntime_onnx")
        for wanted, found in ((answer.inputs, session.get_inputs()), (answer.outputs, session.get_outputs())):
            for node in found:
                shape = [side if isinstance(side, int) else -1 for side in node.shape]
                wanted.add(name=node.name, datatype=DATATYPES[node.type], shape=shape)
        return answer

    def ModelInfer(self, request, context):  # noqa: N802 - the protocol's name
        session = self._session(request.model_name, context)
        given = {
            one.name: np.frombuffer(raw, triton_to_np_dtype(one.datatype)).reshape(one.shape)
            for one, raw in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        answer = service_pb2.ModelInferResponse(model_name=request.model_name, model_version="1")
        for node, found in zip(session.get_outputs(), session.run(None, given), strict=True):
            answer.outputs.add(name=node.name, datatype=np_to_triton_dtype(found.dtype), shape=found.shape)
            answer.raw_output_contents.append(found.tobytes())
        return answer

    def _session(self, name, context):
        if self.refusals:
            context.abort(self.refusals.pop(0), "not now")
        if name not in self.sessions:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Request for unknown model: '{name}' is not found")
        return self.sessions[name]


DATATYPES = {"tensor(float)": "FP32", "tensor(int64)": "INT64", "tensor(bool)": "BOOL"}


@contextmanager
def triton_server(server):
    """The server on a free port of this host; yields the port."""
    at = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(server, at)
    port = at.add_insecure_port("127.0.0.1:0")
    at.start()
    try:
        yield port
    finally:
        at.stop(0).wait()
