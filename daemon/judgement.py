"""One complete series in, its verdict and report objects out: read, examine, report."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
import structlog
from PIL import Image
from pydicom import Dataset

from daemon.core.errors import NotAssessable, Reason
from daemon.core.reference import Standard
from daemon.core.values import (
    Algorithm,
    Arrival,
    Assessment,
    Judgement,
    ReportContext,
    ReportObject,
    ReportReference,
    Series,
    Verdict,
    Volume,
)
from daemon.core.verdict import decline
from daemon.dicom.evidence import gather_evidence
from daemon.dicom.parsing import parse
from daemon.dicom.reader import read_volumes
from daemon.dicom.sr import build_sr
from daemon.dicom.summary import build_summary, render_summary
from daemon.examination import Examination, Examiner

_log = structlog.get_logger()

#: The encoded data set of an arrival.
ReadDataset = Callable[[Arrival], bytes]
#: What a series of one scanner (calling AE title) and protocol is compared with.
ChooseStandard = Callable[[str, str], Standard]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one series gave.

    ``objects``: the report, empty for what is no MR image; ``picture``: the summary as PNG; ``seconds``: duration of
    each stage, and ``verdict``, counted from the last image; ``bundle``: digest of the one that judged.
    """

    verdict: Verdict
    assessment: Assessment | None
    description: str
    objects: tuple[ReportObject, ...]
    picture: bytes
    seconds: dict[str, float]
    bundle: str


class SeriesJudge:
    """Judges complete series; every series gets an answer, if need be NOT_ASSESSED with its reason."""

    def __init__(
        self,
        examiner: Examiner,
        algorithm: Algorithm,
        read_dataset: ReadDataset,
        choose_standard: ChooseStandard,
        station: str,
    ) -> None:
        self._examiner = examiner
        self._choose_standard = choose_standard
        self._station = station
        self._algorithm = algorithm
        self._read_dataset = read_dataset

    def judge(self, series: Series, predecessor: ReportReference | None, *, give_up: bool = False) -> Judged:
        """Judge one series; ``predecessor`` is the SR of its previous revision.

        ``give_up``: answer without a look at the images, for a series that no worker survives.
        """
        began = time.time()
        seconds = {"close": series.closed_at - series.last_received_at, "queue": began - series.closed_at}
        volume, examination, verdict = self._examine(series, seconds) if not give_up else _unseen()
        finished = time.time()
        seconds["verdict"] = finished - series.last_received_at
        judgement = Judgement(
            verdict=verdict,
            assessment=examination.assessment if examination else None,
            algorithm=self._algorithm,
            context=ReportContext(
                revision=series.revision,
                closed_by=series.closed_by,
                partial=series.partial,
                finished_at=finished,
                utc_offset_minutes=time.localtime(finished).tm_gmtoff // 60,
                predecessor=predecessor,
                station=self._station,
            ),
        )
        picture = render_summary(judgement, examination.prediction if examination else None, volume)
        objects: tuple[ReportObject, ...] = ()
        if verdict.not_assessed is not Reason.NOT_MR:
            evidence = gather_evidence(series, self._header(series))
            summary = build_summary(evidence, judgement, picture, shows_head=volume is not None)
            objects = (summary, build_sr(evidence, judgement))
        seconds["report"] = time.time() - finished
        return Judged(
            verdict=verdict,
            assessment=judgement.assessment,
            description=_protocol(volume) if volume else "",
            objects=objects,
            picture=_png(picture),
            seconds={stage: round(value, 4) for stage, value in seconds.items()},
            bundle=self._algorithm.bundle_digest,
        )

    def _examine(self, series: Series, seconds: dict[str, float]) -> tuple[Volume | None, Examination | None, Verdict]:
        """The volume and its examination as far as they came, and the verdict."""
        volume = None
        began = time.perf_counter()
        try:
            volume = self._read(series)
            seconds["read"] = time.perf_counter() - began
            scanner = series.instances[0].arrival.calling_ae
            examination = self._examiner.examine(volume, self._choose_standard(scanner, _protocol(volume)))
        except NotAssessable as error:
            _log.info("not_assessed", series=series.series_instance_uid, reason=error.reason.name, detail=error.detail)
            return volume, None, decline(error.reason)
        # The one broad except of this process: a fault of ours in one series must neither stop the line nor leave
        # the radiographer without an answer; it is logged with its trace and counted.
        except Exception:  # noqa: BLE001 - see above
            _log.exception("assessment_failed", series=series.series_instance_uid)
            return volume, None, decline(Reason.FAILED)
        seconds |= examination.seconds
        return volume, examination, examination.verdict

    def _read(self, series: Series) -> Volume:
        volumes = read_volumes(self._datasets(series))
        if len(volumes) != 1:
            raise NotAssessable(Reason.UNSUPPORTED, f"{len(volumes)} volumes")
        return volumes[0]

    def _datasets(self, series: Series) -> Iterator[Dataset]:
        for instance in series.instances:
            arrival = instance.arrival
            yield parse(self._read_dataset(arrival), arrival.transfer_syntax_uid)

    def _header(self, series: Series) -> Dataset:
        return next(self._datasets(series))


def _unseen() -> tuple[None, None, Verdict]:
    return None, None, decline(Reason.FAILED)


def _protocol(volume: Volume) -> str:
    """The protocol's name as it is recorded and compared by; empty where the header is silent."""
    return volume.acquisition.protocol or ""


def _png(picture: npt.NDArray[np.uint8]) -> bytes:
    stream = BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()
