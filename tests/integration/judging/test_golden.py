"""The shipped bundle's golden test by each engine: every output of every graph, and every number."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack

import numpy as np
import pytest
from builders.judging.graphs import TritonServer, triton_server

from daemon.config import shipped_bundles
from daemon.edge.engines import OnnxRuntimeSettings, OpenVinoSettings, TritonSettings, engine_maker
from daemon.line.examination import Examiner, check_golden, load_examiner
from models.bundle import BundleError, file_digest, load_bundle, write_manifest
from models.golden import load_record, relative_difference, save_record, spread
from models.graphs import Array, Engine


@pytest.fixture(params=["onnxruntime", "openvino", "triton"])
def examiner(request, tmp_path):
    """The shipped bundle in each engine."""
    with ExitStack() as stack:
        settings = {"onnxruntime": OnnxRuntimeSettings(), "openvino": OpenVinoSettings()}.get(request.param)
        if settings is None:
            files = {
                f"brain-t1-{graph}": shipped_bundles()["brain-t1"] / f"{file}.onnx" for graph, file in GRAPHS.items()
            }
            settings = TritonSettings(host="127.0.0.1", port=stack.enter_context(triton_server(TritonServer(files))))
        yield load_examiner(shipped_bundles()["brain-t1"], engine_maker(settings, tmp_path))


GRAPHS = {"locator": "locate", "judge": "judge"}


def test_the_shipped_bundle_passes_on_this_machine(examiner, request):
    check_golden(examiner)

    assert examiner.provider.startswith(request.node.callspec.params["examiner"])


def test_one_thread_adds_up_less_exactly_and_passes(tmp_path):
    examiner = load_examiner(shipped_bundles()["brain-t1"], engine_maker(OpenVinoSettings(threads=1), tmp_path))

    check_golden(examiner)


def test_in_bf16_the_shipped_bundle_passes_or_this_cpu_has_none(tmp_path):
    openvino = pytest.importorskip("openvino")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bf16")
    examiner = load_examiner(shipped_bundles()["brain-t1"], engine_maker(OpenVinoSettings(precision="bf16"), tmp_path))
    check_golden(examiner)

    assert "bf16" == examiner.engines["judge"].precision


class Off:
    """An engine whose one output is off by a share of its size."""

    def __init__(self, engine: Engine, name: str, share: float) -> None:
        self._engine, self._name, self._share = engine, name, share
        self.precision, self.provider = engine.precision, engine.provider

    def __call__(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        outputs = dict(self._engine(inputs))
        return outputs | {self._name: outputs[self._name] * np.float32(1 + self._share)}


@pytest.fixture(scope="module")
def openvino(tmp_path_factory):
    return load_examiner(
        shipped_bundles()["brain-t1"], engine_maker(OpenVinoSettings(), tmp_path_factory.mktemp("compiled"))
    )


@pytest.mark.parametrize("output", ["logits", "factor", "deviation", "embedding", "entropy"])
def test_one_output_that_is_off_by_little_is_seen_and_named(openvino, output):
    """Less than the golden numbers may be off, which are all that an output stands behind otherwise."""
    engines = {**openvino.engines, "judge": Off(openvino.engines["judge"], output, 0.015)}
    with pytest.raises(BundleError, match=rf"{output} of judge by openvino cpu f32 is 0\.01\d* off"):
        check_golden(Examiner(openvino.bundle, engines))


def test_an_output_that_is_no_number_is_seen(openvino):
    engines = {**openvino.engines, "judge": Off(openvino.engines["judge"], "embedding", float("nan"))}
    with pytest.raises(BundleError, match="embedding of judge"):
        check_golden(Examiner(openvino.bundle, engines))


class Coarse(Off):
    """An engine that says that it computes in f16."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, "logits", 0.0)
        self.precision = "f16"


def test_a_precision_that_the_bundle_knows_nothing_of_is_refused(openvino):
    engines = {**openvino.engines, "judge": Coarse(openvino.engines["judge"])}
    with pytest.raises(BundleError, match="the bundle is for f32 or bf16, not for f16"):
        check_golden(Examiner(openvino.bundle, engines))


def test_a_record_that_misses_an_output_is_no_record_of_this_bundle(openvino, tmp_path):
    """Whatever a graph gives is held to the record."""
    folder = tmp_path / "bundle"
    shutil.copytree(shipped_bundles()["brain-t1"], folder)
    bundle = load_bundle(folder)
    golden = bundle.manifest.golden
    record = {graph: dict(outputs) for graph, outputs in load_record(bundle.file(golden.outputs)).items()}
    del record["judge"]["entropy"]
    save_record(bundle.file(golden.outputs), record)
    bundle.manifest.files[golden.outputs] = file_digest(bundle.file(golden.outputs))
    write_manifest(folder, bundle.manifest)
    with pytest.raises(BundleError, match="entropy of judge is not in the golden record"):
        check_golden(Examiner(load_bundle(folder), openvino.engines))


def test_the_values_of_a_record_are_spread_over_the_whole_output():
    output = np.arange(1_000_003, dtype=np.int64).reshape(1, -1)

    assert (0, 1_000_002, 4096) == (spread(output)[0], spread(output)[-1], len(set(spread(output))))
    assert [5] == spread(np.array(5)).tolist()
    assert [] == spread(np.zeros((0, 3))).tolist()


def test_a_difference_is_relative_to_what_is_expected():
    expected = np.array([3, 4], np.float32)

    assert pytest.approx(0.2) == relative_difference(np.array([4, 4], np.float32), expected)
    assert float("inf") == relative_difference(expected[:1], expected)
    assert 0 == relative_difference(np.zeros(2, np.float32), np.zeros(2, np.float32))
