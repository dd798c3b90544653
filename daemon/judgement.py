"""One complete series in, its verdict and report objects out: select, examine, report."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from io import BytesIO
from typing import Final

import structlog
from PIL import Image
from pydicom import Dataset

from daemon.core.calibration import ACCEPTED
from daemon.core.errors import PASSED_ON, NotAssessable, Reason, SpoolError
from daemon.core.measures import Assessment
from daemon.core.own_past import Entry, OwnPast, member_of
from daemon.core.ports import Content
from daemon.core.reference import Origin, Standard
from daemon.core.routing import Route
from daemon.core.values import (
    Algorithm,
    Arrival,
    Judgement,
    ReportContext,
    ReportObject,
    ReportReference,
    Series,
    State,
    Verdict,
)
from daemon.core.verdict import decline
from daemon.dicom.attributes import Attributes
from daemon.dicom.parsing import parse
from daemon.dicom.reading.objects import read_image
from daemon.dicom.reading.volumes import acquisition_of
from daemon.dicom.report.evidence import EVIDENCE, gather_evidence
from daemon.dicom.report.picture.slices import Picture
from daemon.dicom.report.sr import build_sr
from daemon.dicom.report.summary import build_summary, render_summary
from daemon.examination import Examination, Examiner
from daemon.selection import check_size, select
from models.manifest import Manifest
from models.subject import Image as Examined

_log = structlog.get_logger()

#: What a series of some origin is compared with.
ChooseStandard = Callable[[Origin], Standard | OwnPast]
#: The encoded data set of an arrival, where it lies.
OpenDataset = Callable[[Arrival], Content]

#: Objects up to this size are compared with their checksum before their header is believed; larger ones before their
#: pixels are, so that what is refused by its header is never read whole.
_SMALL_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A bundle at work: who examines, and what a series of some origin is compared with."""

    examiner: Examiner
    algorithm: Algorithm
    choose_standard: ChooseStandard


def software(config_digest: str) -> Algorithm:
    """Who signs where no bundle judges: the software itself."""
    own = version("scanside")
    return Algorithm(
        bundle="Scanside", bundle_version=own, bundle_digest="", software_version=own, config_digest=config_digest
    )


#: The judge of a bundle, by its name; loaded when it is first asked for.
FindJudge = Callable[[str], Judge]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one series gave.

    ``objects``: the report, empty for what is no MR image or what nobody wants to be told; ``picture``: the summary as
    PNG, empty where no image was read and nobody wants a report; ``seconds``: duration of each stage, and ``verdict``,
    counted from the last image; ``bundle``: digest of the one that judged; ``past``: what the series adds to its
    protocol's past; ``software``: of the scanner, as its header says.
    """

    verdict: Verdict
    assessment: Assessment | None
    description: str
    objects: tuple[ReportObject, ...]
    picture: bytes
    seconds: dict[str, float]
    bundle: str
    past: Entry | None = None
    software: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """How far a series came: ``image`` and ``origin`` once it was read, ``examination`` where it was judged."""

    verdict: Verdict
    algorithm: Algorithm
    manifest: Manifest | None = None
    image: Examined | None = None
    origin: Origin | None = None
    examination: Examination | None = None


class SeriesJudge:
    """Judges complete series; every series gets an answer, if need be NOT_ASSESSED with its reason.

    ``software`` signs the answer where no bundle judges.
    """

    def __init__(
        self,
        find_judge: FindJudge,
        software: Algorithm,
        routes: Sequence[Route],
        open_dataset: OpenDataset,
        station: str,
    ) -> None:
        self._find_judge = find_judge
        self._software = software
        self._routes = routes
        self._station = station
        self._open_dataset = open_dataset

    def judge(
        self,
        series: Series,
        predecessor: ReportReference | None,
        *,
        give_up: bool = False,
        reported: Collection[State] = tuple(State),
    ) -> Judged:
        """Judge one series; ``predecessor`` is the SR of its previous revision.

        ``give_up``: answer without a look at the images, for a series that no worker survives; ``reported``: verdicts
        that anybody wants a report of.
        """
        began = time.time()
        seconds = {"close": series.closed_at - series.last_received_at, "queue": began - series.closed_at}
        answer = self._given_up() if give_up else self._answer(series, seconds)
        verdict, examination = answer.verdict, answer.examination
        header = self._header(series)
        finished = time.time()
        seconds["verdict"] = finished - series.last_received_at
        judgement = Judgement(
            verdict=verdict,
            assessment=examination.assessment if examination else None,
            algorithm=answer.algorithm,
            manifest=answer.manifest,
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
        objects: tuple[ReportObject, ...] = ()
        is_wanted = verdict.state in reported and (verdict.not_assessed is not Reason.NOT_MR or predecessor is not None)
        picture = self._picture(judgement, answer) if is_wanted or answer.image is not None else None
        if is_wanted and picture is not None:
            evidence = gather_evidence(series, header)
            summary = build_summary(evidence, judgement, picture, recognizable=answer.image is not None)
            objects = (summary, build_sr(evidence, judgement))
        seconds["report"] = time.time() - finished
        return Judged(
            verdict=verdict,
            assessment=judgement.assessment,
            description=(answer.origin.protocol if answer.origin else "")
            or acquisition_of(Attributes((header,))).protocol
            or "",
            objects=objects,
            picture=b"" if picture is None else _png(picture),
            seconds={stage: round(value, 4) for stage, value in seconds.items()},
            bundle=answer.algorithm.bundle_digest,
            past=None if series.partial else _entry(answer),
            software=" ".join(map(str, answer.origin.parameters.get("SoftwareVersions", ()))) if answer.origin else "",
        )

    def _picture(self, judgement: Judgement, answer: _Answer) -> Picture:
        examination = answer.examination
        return render_summary(judgement, examination.findings.view if examination else None, answer.image)

    def _answer(self, series: Series, seconds: dict[str, float]) -> _Answer:
        """Select, examine, decide, as far as it goes."""
        answer = self._given_up()
        began = time.perf_counter()
        try:
            check_size([instance.arrival.length for instance in series.instances])
            scanner = series.instances[0].arrival.calling_ae
            candidate = select(self._datasets(series), self._routes, scanner)
            seconds["read"] = time.perf_counter() - began
            image, origin = candidate.image, candidate.origin(scanner, series.series_instance_uid)
            for bundle in (candidate.bundle, *candidate.others):
                judge = self._find_judge(bundle)
                answer = replace(
                    answer,
                    algorithm=judge.algorithm,
                    manifest=judge.examiner.bundle.manifest,
                    image=image,
                    origin=origin,
                )
                answer, image = _examined(answer, judge, image, origin)
                if answer.examination is not None:
                    seconds |= answer.examination.seconds
                    break
        except NotAssessable as error:
            _log.info("not_assessed", series=series.series_instance_uid, reason=error.reason.name, detail=error.detail)
            return replace(answer, verdict=decline(error.reason, error.detail))
        except SpoolError as error:  # retention removed it before a late image re-opened the series, or bad sectors
            _log.info("not_assessed", series=series.series_instance_uid, reason=Reason.LOST.name, detail=str(error))
            return replace(answer, verdict=decline(Reason.LOST, str(error)))
        return answer

    def _given_up(self) -> _Answer:
        return _Answer(verdict=decline(Reason.FAILED), algorithm=self._software)

    def _datasets(self, series: Series) -> Iterator[Dataset]:
        for instance in series.instances:
            content = self._opened(instance.arrival)
            if instance.damaged:  # as it was sent, and nothing can be made of its header
                content.check()
                raise NotAssessable(Reason.UNREADABLE)
            yield read_image(content, instance.arrival.transfer_syntax_uid)

    def _header(self, series: Series) -> Dataset:
        """Any of the series' headers, as far as a report takes it over; an empty one where none can be read."""
        for instance in series.instances:
            with suppress(SpoolError, NotAssessable):
                return parse(self._opened(instance.arrival), instance.arrival.transfer_syntax_uid, EVIDENCE)
        return Dataset()

    def _opened(self, arrival: Arrival) -> Content:
        content = self._open_dataset(arrival)
        if content.length <= _SMALL_BYTES:
            content.check()
        return content


def _examined(answer: _Answer, judge: Judge, image: Examined, origin: Origin) -> tuple[_Answer, Examined]:
    """What a bundle says; where what it judges is not there, the refusal, which the next one is told as a remark."""
    try:
        examination = judge.examiner.examine(image, judge.choose_standard(origin))
    except NotAssessable as error:
        if error.reason not in PASSED_ON:
            raise
        remark = "; ".join(filter(None, (image.remark, f"{judge.algorithm.bundle}: {error}")))
        return replace(answer, verdict=decline(error.reason, error.detail)), replace(image, remark=remark)
    return replace(answer, verdict=examination.verdict, examination=examination), image


def _entry(answer: _Answer) -> Entry | None:
    """What a judged series adds to the past of its protocol, if its bundle compares series with it."""
    past = answer.manifest.past if answer.manifest else None
    if past is None or answer.examination is None or answer.origin is None or answer.verdict.state not in ACCEPTED:
        return None
    origin, measures = answer.origin, answer.examination.assessment.measures
    member = member_of(measures, past, origin.parameters)
    return Entry(scanner=origin.scanner, protocol=origin.protocol, member=member, most=past.most)


def _png(picture: Picture) -> bytes:
    stream = BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()
