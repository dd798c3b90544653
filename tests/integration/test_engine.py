"""The engine on real graphs: what runs is what was configured, and says what numpy says."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from daemon.core.errors import ConfigError
from daemon.edge.engine import EngineSettings, OnnxEngine
from models.bundle import BundleError

WEIGHT = np.arange(6, dtype=np.float32).reshape(3, 2)


@pytest.fixture
def graph(tmp_path):
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
    path = tmp_path / "graph.onnx"
    onnx.save(helper.make_model(made, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path


@pytest.mark.parametrize("rows", [1, 5])
def test_outputs_come_by_name_and_are_right(graph, rows):
    x = np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32)
    found = OnnxEngine(graph, EngineSettings()).run({"x": x})

    np.testing.assert_allclose(found["y"], x @ WEIGHT, rtol=1e-6)
    np.testing.assert_array_equal(found["z"], -x)


def test_an_unknown_provider_names_the_known_ones(graph):
    with pytest.raises(ConfigError, match="cpu, cuda, tensorrt"):
        OnnxEngine(graph, EngineSettings(provider="gpu"))


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_is_not_active_is_refused(graph):
    with pytest.raises(ConfigError, match="CPUExecutionProvider is active"):
        OnnxEngine(graph, EngineSettings(provider="cuda"))


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_unless_the_operator_said_that_it_may_be_another_one(graph):
    engine = OnnxEngine(graph, EngineSettings(provider="cuda", strict=False))

    assert "CPUExecutionProvider" == engine.provider


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x0a" * 400])
def test_a_broken_graph_is_refused_by_name(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"broken\.onnx cannot be loaded"):
        OnnxEngine(path, EngineSettings())
