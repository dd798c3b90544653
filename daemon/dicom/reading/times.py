"""When each volume of a series was taken, as far as its headers say."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from daemon.dicom.attributes import Attributes
from daemon.dicom.reading.dimensions import TRIGGER_TIME
from daemon.dicom.reading.frames import Frame

_DATE_TIME: Final = "%Y%m%d%H%M%S"
#: Characters of a date and time without fraction and zone (PS3.5, 6.2).
_SECONDS: Final = 14
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
