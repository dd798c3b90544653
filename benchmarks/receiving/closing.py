"""How long after its last image a series is complete, for each way in which it can be found so.

A real receiver in a process of its own, and the daemon's own loop over its spool; the simulated scanner sends series of
small images on one association, which is held open behind them where a release is not to help. The time counts from
the moment at which the receiver had the last image to the moment at which the closed series stood in the database.
Each way is sent ``--rounds`` times; the ways take turns. Run it from the repository root::

    PYTHONPATH=. python benchmarks/receiving/closing.py --rounds 9
"""

import argparse
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from builders.images.push import peer, push_series, slices  # noqa: E402
from builders.images.series import Lattice, enhanced  # noqa: E402
from builders.running.intake import Intake  # noqa: E402 - the path is set above

from daemon.core.reception.transmission import Batch, Sending, Transmission  # noqa: E402
from daemon.core.steps import StepState  # noqa: E402
from daemon.core.values import ClosedBy, Series  # noqa: E402
from daemon.dicom.protocol.mpps import begun, ended  # noqa: E402
from daemon.dicom.protocol.outgoing import Outgoing, encode_outgoing  # noqa: E402
from daemon.edge.delivery.scanner import create_step, push, set_step  # noqa: E402

SLICES = 60
#: How long an association is held open behind the last image, where it is; longer where only silence is to close.
HELD_S, SILENT_S = 2.0, 8.0
#: Series by which a scanner's rhythm becomes known.
LEARNED_FROM = 49
QUICK = "QUICK"
NOW = "20260101120000"

_numbers = count(1)


@dataclass(frozen=True)
class Way:
    """What closes the series, what is sent for it, and what must be recorded."""

    name: str
    images: Callable[[], list[Outgoing]]
    closed_by: ClosedBy
    partial: bool = False
    held_s: float = 0.0  # how long the association stays open behind the last image
    step_s: float | None = None  # when the procedure step is ended, after the start of sending; None: there is none
    calling_ae: str = "MR1"


def announced() -> list[Outgoing]:
    return slices(SLICES, ImagesInAcquisition=SLICES)


def multi_frame() -> list[Outgoing]:
    uid = f"1.2.827.{next(_numbers)}"
    made = enhanced(Lattice(slices=SLICES), uid=f"{uid}.1")
    made.SeriesInstanceUID = uid
    return [encode_outgoing(made)]


def concatenation() -> list[Outgoing]:
    uid = f"1.2.828.{next(_numbers)}"
    parts = []
    for number in range(3):
        part = enhanced(Lattice(slices=SLICES // 3), uid=f"{uid}.{number + 1}")
        part.SeriesInstanceUID, part.ConcatenationUID = uid, f"{uid}.9"
        part.InConcatenationNumber, part.InConcatenationTotalNumber = number + 1, 3
        parts.append(encode_outgoing(part))
    return parts


def gapped() -> list[Outgoing]:
    whole = slices(SLICES)
    return whole[:20] + whole[22:]


def plain() -> list[Outgoing]:
    return slices(SLICES)


WAYS = (
    Way("expected count, and the geometry closes", announced, ClosedBy.GEOMETRY),
    Way("the same, association held open", announced, ClosedBy.GEOMETRY, held_s=HELD_S),
    Way("the geometry closes, association released", plain, ClosedBy.RELEASE),
    Way("NumberOfFrames: one multi-frame object, released", multi_frame, ClosedBy.RELEASE),
    Way("concatenation: the last of its parts", concatenation, ClosedBy.GEOMETRY, held_s=HELD_S),
    Way("MPPS completed before the images", plain, ClosedBy.MPPS, held_s=HELD_S, step_s=0.0),
    Way("MPPS completed after the images, from its report on", plain, ClosedBy.MPPS, held_s=HELD_S, step_s=1.0),
    Way("released, with a gap", gapped, ClosedBy.RELEASE, partial=True),
    Way("quiet time, learned", plain, ClosedBy.QUIET, partial=True, held_s=SILENT_S, calling_ae=QUICK),
)


def send(port: int, way: Way, images: list[Outgoing]) -> list[threading.Thread]:
    """Begin to send; an image of another series holds the association open."""
    scanner = peer(port, calling_ae=way.calling_ae)
    held = [Sending(image, way.held_s) for image in slices(1)] if way.held_s else []
    line = (Batch((*map(Sending, images), *held)),)
    threads = [threading.Thread(target=push, args=(Transmission(lines=(line,), late=(), dropped=0), scanner))]
    if way.step_s is not None:
        listed = [(i.series_instance_uid, i.sop_class_uid, i.sop_instance_uid) for i in images]
        changes = ended(StepState.COMPLETED, listed, NOW)
        create_step(scanner, step_uid(images), begun("1.2.3", "MR1", NOW))
        if way.step_s:
            threads.append(threading.Timer(way.step_s, set_step, (scanner, step_uid(images), changes)))
        else:
            set_step(scanner, step_uid(images), changes)
    for thread in threads:
        thread.start()
    return threads


def step_uid(images: list[Outgoing]) -> str:
    return f"{images[0].series_instance_uid}.7"


def measure(intake: Intake, way: Way) -> float:
    """Seconds from the last image to complete, or from the step's report where that came later."""
    images = way.images()
    threads = send(intake.port, way, images)
    found: list[Series] = []
    while not found:
        intake.run(len(intake.closed) + 1)
        found = [series for series in intake.closed if series.series_instance_uid == images[0].series_instance_uid]
    closed = found[0]
    if (closed.closed_by, closed.partial, len(closed.instances)) != (way.closed_by, way.partial, len(images)):
        raise SystemExit(f"{way.name}: closed by {closed.closed_by}, partial {closed.partial}, {len(closed.instances)}")
    told = [report.reported_at for report in intake.index.reports(0.0) if report.step_uid == step_uid(images)]
    while any(thread.is_alive() for thread in threads):
        intake.run(idle=0.1)
    return intake.closed_at[closed.series_instance_uid] - max([closed.last_received_at, *told])


def learn(intake: Intake) -> None:
    """Let the quick scanner's rhythm become known."""
    for _ in range(LEARNED_FROM):
        push_series(intake.port, slices(5, ImagesInAcquisition=5), calling_ae=QUICK)
        intake.run(idle=0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {way.name: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as scratch, Intake(Path(scratch)) as intake:
        learn(intake)
        for _ in range(rounds):
            for way in WAYS:
                seconds[way.name].append(measure(intake, way))
    print("| what says that it was all | closed_by | partial | median s | from - to s |")
    print("| --- | --- | --- | ---: | ---: |")
    for way in WAYS:
        taken, mark = seconds[way.name], "yes" if way.partial else "no"
        spread = f"{min(taken):.2f} - {max(taken):.2f}"
        print(f"| {way.name} | {way.closed_by} | {mark} | {statistics.median(taken):.2f} | {spread} |")


if __name__ == "__main__":
    main()
