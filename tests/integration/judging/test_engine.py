"""Each engine on real graphs: what runs is what was configured, and says what numpy says."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from builders.judging.graphs import (
    PRODUCT,
    WEIGHT,
    TritonServer,
    graph_of,
    triton_server,
    write_chosen,
    write_product,
    write_twins,
)

from daemon.core.errors import ConfigError
from daemon.edge.engines import OnnxRuntimeSettings, OpenVinoSettings, TritonSettings, engine_maker
from models.bundle import BundleError
from models.engines.openvino import OpenVinoEngine
from models.engines.progress import reporting_progress
from models.graphs import Tensor

KINDS = ("onnxruntime", "openvino", "triton")


@pytest.fixture(params=KINDS)
def make(request, tmp_path):
    """Makes an engine of each kind; Triton's has both graphs of these tests."""
    if request.param != "triton":
        settings = {"onnxruntime": OnnxRuntimeSettings(), "openvino": OpenVinoSettings()}[request.param]
        yield engine_maker(settings, tmp_path)
        return
    (tmp_path / "served").mkdir()
    files = {"toy-graph": write_product(tmp_path / "served/p"), "toy-chosen": write_chosen(tmp_path / "served/c")}
    files["toy-twins"] = write_twins(tmp_path / "served/t")
    with triton_server(TritonServer(files)) as port:
        yield engine_maker(TritonSettings(host="127.0.0.1", port=port, patience_s=5), tmp_path)


@pytest.fixture
def product(tmp_path):
    return write_product(tmp_path / "graph.onnx")


def rows(count):
    return np.random.default_rng(count).normal(size=(count, 3)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 5])
def test_outputs_come_by_name_and_are_right(make, product, count):
    x = rows(count)
    found = make(graph_of(product, **PRODUCT))({"x": x})

    assert {"y", "z"} == set(found)
    np.testing.assert_allclose(found["y"], x @ WEIGHT, rtol=1e-6)
    np.testing.assert_array_equal(found["z"], -x)


def test_the_same_inputs_give_the_same_bytes_and_a_later_run_changes_no_earlier_answer(make, product):
    engine = make(graph_of(product))
    first = engine({"x": rows(5)})
    kept = first["y"].tobytes()
    engine({"x": rows(7)})

    assert kept == first["y"].tobytes() == engine({"x": rows(5)})["y"].tobytes()


def test_two_threads_get_each_their_own_answer(make, product):
    engine = make(graph_of(product))
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda count: engine({"x": rows(count)})["z"], [3, 4] * 20))

    for count, z in zip([3, 4] * 20, found, strict=True):
        np.testing.assert_array_equal(z, -rows(count))


def test_two_outputs_that_are_the_same_keep_their_names(make, tmp_path):
    """OpenVINO joins them when it compiles, and knows the one by all names that the tensor ever had."""
    found = make(graph_of(write_twins(tmp_path / "twins.onnx"), name="twins"))({"x": rows(2)})

    assert {"y", "z"} == set(found)
    np.testing.assert_array_equal(found["z"], -rows(2))


def test_whole_numbers_and_masks_go_in_and_come_out(make, tmp_path):
    engine = make(graph_of(write_chosen(tmp_path / "chosen.onnx"), name="chosen"))
    values, index = np.array([2**31 - 1, 7, -1, 0]), np.array([0, 2, 1])
    found = engine({"values": values, "index": index, "mask": np.array([True, False, True])})["rows"]

    assert np.int64 == found.dtype
    assert [2**31 - 1, 0, 7] == found.tolist()


@pytest.mark.parametrize("beyond", [2**31, -(2**31) - 1])
def test_a_number_that_openvino_would_let_overflow_is_refused(tmp_path, beyond):
    engine = engine_maker(OpenVinoSettings(), tmp_path)(graph_of(write_chosen(tmp_path / "chosen.onnx")))
    with pytest.raises(ValueError, match="values holds numbers of more than 32 bits"):
        engine({"values": np.array([beyond, 0, 0, 0]), "index": np.array([0]), "mask": np.array([True])})


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"inputs": (Tensor(name="image", dtype="float32", dims=(None, 3)),)}, "has no input image"),
        ({"inputs": (Tensor(name="x", dtype="int64", dims=(None, 3)),)}, "has input x float32"),
        ({"inputs": (Tensor(name="x", dtype="float32", dims=(None, 4)),)}, r"declared is x float32 \(any, 4\)"),
        ({"inputs": (Tensor(name="x", dtype="float32", dims=(3,)),)}, "has input x float32"),
        ({"outputs": PRODUCT["outputs"][:1]}, "has output z besides"),
        ({"outputs": (*PRODUCT["outputs"], Tensor(name="more", dtype="float32", dims=()))}, "has no output more"),
        ({"outputs": (PRODUCT["outputs"][0], Tensor(name="z", dtype="bool", dims=(None, 3)))}, "has output z float32"),
    ],
)
def test_a_graph_that_is_not_as_declared_is_refused_when_it_is_loaded(make, product, declared, said):
    with pytest.raises(BundleError, match=said):
        make(graph_of(product, **declared))


def test_a_graph_may_take_more_than_is_declared(make, product):
    make(graph_of(product, inputs=(Tensor(name="x", dtype="float32", dims=(5, 3)),)))


@pytest.mark.parametrize("given", [{}, {"x": np.zeros((2, 3))}, {"x": np.zeros((2, 4), np.float32)}])
def test_what_a_graph_does_not_take_is_a_fault_that_names_it(make, product, given):
    with pytest.raises(ValueError, match=r"graph takes x float32 \(any, 3\)"):
        make(graph_of(product))(given)


@pytest.mark.parametrize("settings", [OnnxRuntimeSettings(), OpenVinoSettings()])
@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x0a" * 400, None])
def test_a_broken_graph_is_refused_by_name(tmp_path, settings, content):
    path = tmp_path / "broken.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError, match=r"broken\.onnx cannot be loaded"):
        engine_maker(settings, tmp_path)(graph_of(path))


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (OnnxRuntimeSettings(provider="cuda"), "cuda is configured but CPUExecutionProvider is active"),
        (OnnxRuntimeSettings(provider="tensorrt"), "tensorrt is configured but CPUExecutionProvider is active"),
        (OnnxRuntimeSettings(precision="bf16"), "in f32 on 'cpu', not in bf16"),
        (OnnxRuntimeSettings(provider="cuda", precision="f16"), "in f32 on 'cuda', not in f16"),
    ],
)
def test_what_is_configured_is_what_runs_or_nothing_does(tmp_path, product, settings, said):
    fixed = (Tensor(name="x", dtype="float32", dims=(5, 3)),)
    with pytest.raises(ConfigError, match=said):
        engine_maker(settings, tmp_path)(graph_of(product, inputs=fixed))


def test_a_precision_that_the_runtime_takes_for_another_is_refused(product, monkeypatch):
    """OpenVINO's precision is a hint: on some CPUs it computes in bf16 where f16 is asked for."""
    openvino = pytest.importorskip("openvino")
    kind = type(openvino.Core().compile_model(str(product), "CPU"))
    ask = kind.get_property
    other = {"INFERENCE_PRECISION_HINT": openvino.Type.bf16}
    monkeypatch.setattr(kind, "get_property", lambda self, name: other.get(name) or ask(self, name))
    with pytest.raises(Exception, match="precision f32 is configured but bf16 is active"):
        OpenVinoEngine(graph_of(product))


def test_openvino_tells_nobody_that_it_is_used(tmp_path):
    """Its telemetry would tell Google Analytics of the import, and writes an identity into the home folder."""
    product = write_product(tmp_path / "graph.onnx")
    code = (
        "import sys; from pathlib import Path; from models.engines.openvino import OpenVinoEngine;"
        "from models.graphs import Graph;"
        f"OpenVinoEngine(Graph(bundle='toy', digest='d', name='g', file=Path({str(product)!r})));"
        "assert sys.modules['openvino_telemetry'] is None"
    )
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"HOME": str(home)}, check=True)

    assert [] == list(home.iterdir())


def test_reading_a_configuration_loads_no_runtime(tmp_path):
    config = tmp_path / "scanside.toml"
    config.write_text('[engine]\nkind = "openvino"\nprecision = "bf16"\n')
    code = (
        "import sys; from pathlib import Path; from daemon.config import load_settings;"
        f"assert load_settings(Path({str(config)!r})).engine.precision == 'bf16';"
        "assert not {'onnxruntime', 'openvino', 'tritonclient', 'grpc'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("status", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])
def test_a_triton_server_that_is_away_for_a_moment_is_asked_again(tmp_path, product, status):
    server = TritonServer({"toy-graph": product}, [status])
    with triton_server(server) as port:
        engine = engine_maker(TritonSettings(host="127.0.0.1", port=port), tmp_path)(graph_of(product))
        server.refusals = [status, status]

        np.testing.assert_array_equal(engine({"x": rows(2)})["z"], -rows(2))


def test_a_triton_server_that_stays_away_is_named(tmp_path, product):
    with triton_server(TritonServer({})) as port:
        pass
    with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port} does not answer: start it"):
        engine_maker(TritonSettings(host="127.0.0.1", port=port, patience_s=0.2), tmp_path)(graph_of(product))


def test_a_triton_server_without_the_graph_is_told_what_it_should_be_called(tmp_path, product):
    with triton_server(TritonServer({})) as port, pytest.raises(ConfigError, match=r"refuses toy-graph: .*unknown"):
        engine_maker(TritonSettings(host="127.0.0.1", port=port), tmp_path)(graph_of(product))


def test_what_takes_long_is_told_again_until_it_is_done():
    heard, twice = [], threading.Event()

    def tell(what):
        heard.append(what)
        if len(heard) > 2:
            twice.set()

    with reporting_progress("compiling", tell, every_s=0.01):
        assert twice.wait(120)
    count = len(heard)

    assert "compiling" == heard[0]
    assert heard[1].startswith("compiling (for ")
    assert not any(thread.name == "progress" for thread in threading.enumerate())
    assert count == len(heard)
