"""What does a heart cost, from its images to its report objects? CPU seconds by stage, and memory.

``PYTHONPATH=.:tests python benchmarks/judging/hearts.py [--slices 10] [--phases 30] [--side 256] [--engine openvino]``,
which wants the extra [test]. The bundle's own golden cine, made as large as asked for, is judged by the daemon's own
line as a DICOM series. Stages are told by the process's clock, so that other work on the machine counts nothing;
``--profile N`` adds the N functions that take most of it.
"""

import argparse
import cProfile
import pstats
import re
import statistics
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from tempfile import gettempdir
from unittest.mock import patch

from builders.images.hearts import NAME, golden_cine
from builders.judging.judging import ALGORITHM, series_of

from daemon.config import Settings, optional_bundles
from daemon.core.values import State
from daemon.edge.engines import OnnxRuntimeSettings, OpenVinoSettings, engine_maker
from daemon.line.appraisal import Appraiser, Judge
from daemon.line.examination import Examiners
from daemon.line.judgement import SeriesJudge
from daemon.routes import all_routes

ENGINES = {"onnxruntime": OnnxRuntimeSettings, "openvino": OpenVinoSettings}
STAGES = ("read", "preprocess", "infer", "measure", "assess", "report")


def judge_by(engine: str, threads: int, read: object) -> SeriesJudge:
    """What judges hearts, and nothing else."""
    settings = Settings(shipped=False, bundles={NAME: optional_bundles()[NAME]})
    examiners = Examiners(settings.bundle_folders, engine_maker(ENGINES[engine](threads=threads), Path(gettempdir())))
    examiners.prepare()

    def find(bundle: str) -> Judge:
        return Judge(examiner=examiners.get(bundle), algorithm=ALGORITHM, choose_standard=lambda _: None)

    return SeriesJudge(Appraiser(find, ALGORITHM, all_routes(settings)), read, "here")


def peak_mib() -> float:
    """The most memory that this process had so far."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=10)
    parser.add_argument("--phases", type=int, default=30)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--engine", choices=ENGINES, default="openvino")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--profile", type=int, default=0)
    chosen = parser.parse_args()
    series, read = series_of(golden_cine(chosen.slices, chosen.phases, chosen.side), "MR1")
    judge = judge_by(chosen.engine, chosen.threads, read)
    loaded, turns = peak_mib(), []
    profile = cProfile.Profile(time.process_time) if chosen.profile else None
    for turn in range(chosen.repeats + 1):
        wall, cpu = time.monotonic(), time.process_time()
        with patch("time.perf_counter", time.process_time), profile if profile and turn else nullcontext():
            judged = judge.judge(series, None)
        if judged.verdict.state is State.NOT_ASSESSED:
            sys.exit(f"not judged: {', '.join(judged.verdict.reasons)}")
        spent = {"whole": time.process_time() - cpu, "wall": time.monotonic() - wall}
        if turn:  # the first is a warm-up
            stages = {stage: judged.seconds[stage] for stage in STAGES[:-1]}
            turns.append({**stages, "report": spent["whole"] - sum(stages.values()), **spent})
    print(judged.verdict.state, *judged.verdict.reasons)
    names = (*STAGES, "whole", "wall")
    print(f"| CPU s, {chosen.engine} | {' | '.join(names)} | MiB loaded | most MiB |")
    print("| --- |" + " ---: |" * (len(names) + 2))
    cells = " | ".join(f"{statistics.median(one[name] for one in turns):.2f}" for name in names)
    print(f"| {chosen.slices} x {chosen.phases} x {chosen.side} | {cells} | {loaded:.0f} | {peak_mib():.0f} |")
    if profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(chosen.profile)


if __name__ == "__main__":
    main()
