"""When images were taken, as far as their headers say: the time of each volume, and cycles that a trigger starts.

Of a cycle a phase may come twice or get lost on the way, and a position may be taken again where it failed. A time
series is none: some scanners count its trigger time from the first image on.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from statistics import mode
from typing import Final

import numpy as np
import numpy.typing as npt

from daemon.core.reception.geometry import LEAST_PHASES
from daemon.dicom.attributes import Attributes
from daemon.dicom.reading.dimensions import DIMENSIONS, TRIGGER_TIME
from daemon.dicom.reading.frames import Frame

_DATE_TIME: Final = "%Y%m%d%H%M%S"
#: Characters of a date and time without fraction and zone (PS3.5, 6.2).
_SECONDS: Final = 14
#: What tells a phase that came twice from another one.
_TOLD_BY: Final = (*(one for one in DIMENSIONS if one.contrast), TRIGGER_TIME)
#: Longer than any cycle between two triggers.
_LONGEST_MS: Final = 3000.0
#: A position with a smaller share of its phases is incomplete.
_LEAST_SHARE: Final = 0.75
#: Scanners that give no times give the same time to all images.
_Times = npt.NDArray[np.float64]


def times_ms(volumes: Sequence[Sequence[Frame]]) -> _Times:
    """The time of each volume in ms, float64 (T,).

    Trigger times where they differ from volume to volume (PS3.3, C.7.6.18.1): after the R wave, the mean of a volume's
    images, which differ where each slice has an R wave of its own. Else the acquisition's dates and times, the
    earliest of a volume, after the first volume. Else, of echo-planar images, the number of the volume times the
    repetition time: what they take. NaN where nothing of that is stated; zero for one volume.
    """
    if len(volumes) == 1:
        return np.zeros(1)
    for times in (_all(volumes, _triggered, np.mean), _since_first(_all(volumes, _acquired, np.min))):
        if len(np.unique(times[np.isfinite(times)])) == len(volumes):
            return times
    return np.arange(len(volumes), dtype=np.float64) * _repetition_ms(volumes[0][0].attributes)


def _all(
    volumes: Sequence[Sequence[Frame]], of_image: Callable[[Attributes], float], of_volume: Callable[[_Times], object]
) -> _Times:
    images = [np.array([of_image(frame.attributes) for frame in frames]) for frames in volumes]
    return np.array([of_volume(found) for found in images], np.float64)


def _triggered(header: Attributes) -> float:
    return next((value for value in TRIGGER_TIME.key(header) if isinstance(value, float)), np.nan)


def _acquired(header: Attributes) -> float:
    """Milliseconds since the epoch, whatever the zone; NaN where the header is silent."""
    text = header.text("FrameAcquisitionDateTime") or header.text("AcquisitionDateTime")
    if text is None:
        date, time = header.text("AcquisitionDate"), header.text("AcquisitionTime")
        text = f"{date}{time}" if date and time else ""
    whole, _, fraction = text.partition("+")[0].partition("-")[0].partition(".")
    try:
        seconds = (datetime.strptime(whole.ljust(_SECONDS, "0"), _DATE_TIME) - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001, DTZ007 - one zone for all
        return 1000 * (seconds + float(f"0.{fraction if fraction.isdigit() else 0}"))
    except ValueError:
        return np.nan


def _since_first(times: _Times) -> _Times:
    since: _Times = times - times.min()
    return since


def _repetition_ms(header: Attributes) -> float:
    """What a volume of echo-planar images takes; NaN of any other, whose repetition time is that of a shot."""
    planar = "EP" in header.texts("ScanningSequence") or header.text("EchoPlanarPulseSequence") == "YES"
    repetition = header.number("RepetitionTime") if planar else None
    return np.nan if repetition is None else repetition


def is_cycle(frames: Sequence[Frame]) -> bool:
    """Whether all images say how long after the trigger they were taken, and none later than a cycle lasts."""
    return all(key and float(key[0]) < _LONGEST_MS for key in (TRIGGER_TIME.key(f.attributes) for f in frames))


def superseded(frames: Sequence[Frame], slots: Mapping[Frame, int]) -> list[Frame]:
    """The images of a cycle in whose place later ones stand: of a phase that came twice, of a position taken again.

    ``slots``: the position of each frame.
    """
    at: dict[int, list[Frame]] = defaultdict(list)
    for frame in sorted(frames, key=_taken):
        at[slots[frame]].append(frame)
    usual = mode(len(found) for found in at.values())
    if usual < LEAST_PHASES or not is_cycle(frames):
        return []
    kept = {frame for found in at.values() for frame in _latest(found, usual)}
    return [frame for frame in frames if frame not in kept]


def _latest(found: Sequence[Frame], usual: int) -> Sequence[Frame]:
    """Of one position's images, in the order in which they were taken: the last of each phase, a cycle of them."""
    if len(found) <= usual:
        return found
    once = {tuple(one.key(frame.attributes) for one in _TOLD_BY): frame for frame in found}
    return list(once.values()) if len(once) <= usual else found[-usual:]


def _taken(frame: Frame) -> tuple[float, float, int]:
    header = frame.attributes
    return float(np.nan_to_num(_acquired(header))), header.number("InstanceNumber") or 0.0, frame.index


def over_cycle(positions: Sequence[Sequence[Frame]]) -> Sequence[Sequence[Frame]]:
    """Images by position, in their order, each as many as the fullest: the nearest in time stands for a missing one.

    Those of which too many are missing stay as they are.
    """
    phases = max(map(len, positions))
    times = [np.array([float(TRIGGER_TIME.key(one.attributes)[0]) for one in found]) for found in positions]
    start = float(np.median([found[0] for found in times]))
    return [_nearest(found, at - start, phases) for found, at in zip(positions, times, strict=True)]


def _nearest(found: Sequence[Frame], times: _Times, phases: int) -> Sequence[Frame]:
    if len(found) == phases or len(found) < _LEAST_SHARE * phases:
        return found
    step = max(float(np.median(np.diff(times))), 1e-3)
    places = np.rint(times / step)
    return [found[int(np.abs(places - n).argmin())] for n in range(phases)]
