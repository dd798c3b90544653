"""The judge graph by each engine in one run: CPU seconds, wall and how far every output is from ONNX Runtime's.

``PYTHONPATH=. python benchmarks/judging/engines.py [--repeats 7] [--threads 0]``. The engines take turns, so that what
else the machine does hits all alike; ratios are to ONNX Runtime on the CPU. The graph is run as the daemon does,
through the engine, on the inputs that the golden head gives.
"""

import argparse
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import gettempdir

import numpy as np

from daemon.config import shipped_bundles
from daemon.core.errors import ConfigError
from daemon.edge.engines import EngineSettings, OnnxRuntimeSettings, OpenVinoSettings, engine_maker
from daemon.edge.files.nifti import read_nifti
from daemon.line.examination import Examiner, load_examiner
from models.brain.prediction import JUDGE_GRAPH, locate_by, prepare
from models.golden import relative_difference
from models.graphs import Array


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=shipped_bundles()["brain-t1"])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0)
    chosen = parser.parse_args()
    wanted = {
        "onnxruntime f32": OnnxRuntimeSettings(threads=chosen.threads),
        "openvino f32": OpenVinoSettings(threads=chosen.threads),
        "openvino bf16": OpenVinoSettings(threads=chosen.threads, precision="bf16"),
    }
    examiners = {name: made for name, kind in wanted.items() if (made := load(chosen.bundle, name, kind))}
    inputs = golden_inputs(examiners["onnxruntime f32"])
    outputs = {name: examiner.engines[JUDGE_GRAPH](inputs) for name, examiner in examiners.items()}
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in examiners}
    for _ in range(chosen.repeats):
        for name, examiner in examiners.items():
            wall, cpu = time.perf_counter(), time.process_time()
            examiner.engines[JUDGE_GRAPH](inputs)
            spent[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    tabulate(spent, outputs)


def load(bundle: Path, name: str, settings: EngineSettings) -> Examiner | None:
    """None, and a word, where this machine lacks it."""
    try:
        return load_examiner(bundle, engine_maker(settings, Path(gettempdir())))
    except ConfigError as error:
        print(f"{name}: {error}")
        return None


def golden_inputs(examiner: Examiner) -> Mapping[str, Array]:
    manifest = examiner.bundle.manifest
    volume = read_nifti(examiner.bundle.file(manifest.golden.images["image"]))
    prepared = prepare(volume.still, volume.affine, examiner.method.settings.grid, locate_by(examiner.engines))
    return {"image": prepared.image[None, None], "features": prepared.features[None]}


def tabulate(spent: Mapping[str, list[tuple[float, float]]], outputs: Mapping[str, Mapping[str, Array]]) -> None:
    medians = {
        name: [statistics.median(column) for column in zip(*times, strict=True)] for name, times in spent.items()
    }
    wall_of_first, cpu_of_first = medians["onnxruntime f32"]
    expected = outputs["onnxruntime f32"]
    print("| engine | wall s | ratio | CPU s | ratio | labels equal | largest relative difference of an output |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for name, (wall, cpu) in medians.items():
        found = outputs[name]
        far, output = max((relative_difference(found[one], expected[one]), one) for one in expected)
        equal = np.mean(found["logits"].argmax(axis=1) == expected["logits"].argmax(axis=1))
        times = f"{wall:.3f} | {wall / wall_of_first:.2f} | {cpu:.3f} | {cpu / cpu_of_first:.2f}"
        print(f"| {name} | {times} | {equal:.5f} | {far:.1g} ({output}) |")


if __name__ == "__main__":
    main()
