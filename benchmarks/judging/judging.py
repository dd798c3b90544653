"""One series from its images to its report objects, by stage and engine, in one run.

``PYTHONPATH=.:tests python benchmarks/judging/judging.py [--repeats 5] [--series phantom]``, which wants the extra
[test]. The daemon's own line judges the golden head as a DICOM series, the phantom of ``busy.py`` by any-mr, or the
golden FLAIR in slices of 4 mm by brain-wmh; the engines take turns. Medians: CPU seconds of the whole, wall by stage;
the most memory that the process had.
"""

import argparse
import resource
import statistics
import time
from pathlib import Path
from tempfile import gettempdir

from builders.images.flair import flair_datasets
from builders.images.phantoms import series as phantom_series
from builders.images.phantoms import volume
from builders.judging.judging import ALGORITHM, series_of
from builders.running.daemon import golden_datasets

from daemon.config import Settings, optional_bundles
from daemon.edge.engines import EngineSettings, OnnxRuntimeSettings, OpenVinoSettings, engine_maker
from daemon.line.appraisal import Appraiser, Judge
from daemon.line.examination import Examiners
from daemon.line.judgement import SeriesJudge
from daemon.routes import all_routes

STAGES = ("read", "preprocess", "infer", "assess", "report")
ENGINES = {
    "onnxruntime f32": OnnxRuntimeSettings(),
    "openvino f32": OpenVinoSettings(),
    "openvino bf16": OpenVinoSettings(precision="bf16"),
}

#: What may be judged.
SERIES = {
    "head": golden_datasets,
    "phantom": lambda: phantom_series(volume(1), "protocol 1"),
    "flair": flair_datasets,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=[*ENGINES])
    parser.add_argument("--series", choices=SERIES, default="head")
    chosen = parser.parse_args()
    series, read = series_of(list(SERIES[chosen.series]()), "MR1")
    judges = {name: judge_by(ENGINES[name], read) for name in chosen.engines}
    spent: dict[str, list[dict[str, float]]] = {name: [] for name in judges}
    for turn in range(chosen.repeats + 1):
        for name, judge in judges.items():
            cpu = time.process_time()
            seconds = judge.judge(series, None).seconds
            if turn:  # the first is a warm-up
                told = {stage: seconds.get(stage, 0.0) for stage in STAGES}
                spent[name].append(told | {"cpu": time.process_time() - cpu})
    print(f"most MiB: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
    print(f"| engine | CPU s | {' | '.join(STAGES)} |")
    print(f"| --- |{' ---: |' * (1 + len(STAGES))}")
    for name, turns in spent.items():
        medians = (statistics.median(turn[stage] for turn in turns) for stage in ("cpu", *STAGES))
        print(f"| {name} | {' | '.join(f'{median:.2f}' for median in medians)} |")


def judge_by(settings: EngineSettings, read: object) -> SeriesJudge:
    bundles = {name: folder for name, folder in optional_bundles().items() if name == "brain-wmh"}
    chosen = Settings(bundles=bundles)
    examiners = Examiners(chosen.bundle_folders, engine_maker(settings, Path(gettempdir())))

    def find(bundle: str) -> Judge:
        return Judge(examiner=examiners.get(bundle), algorithm=ALGORITHM, choose_standard=lambda _: None)

    return SeriesJudge(Appraiser(find, ALGORITHM, all_routes(chosen)), read, "here")


if __name__ == "__main__":
    main()
