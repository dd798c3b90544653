"""One complete series in, its verdict and report objects out: select, examine, report."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from typing import Final

import structlog
from PIL import Image
from pydicom import Dataset

from daemon.core.errors import NotAssessable, Reason, SpoolError
from daemon.core.judging.gathering import Member, Offer
from daemon.core.judging.own_past import Entry, member_of
from daemon.core.judging.verdict import decline
from daemon.core.measures import Assessment, BesideOwnPast
from daemon.core.people.calibration import ACCEPTED
from daemon.core.people.translation import Translation
from daemon.core.ports import Content
from daemon.core.values import (
    Arrival,
    Author,
    Judgement,
    ReportContext,
    ReportObject,
    ReportReference,
    Series,
    State,
    Verdict,
)
from daemon.dicom.attributes import Attributes
from daemon.dicom.parsing import parse
from daemon.dicom.reading.objects import read_image
from daemon.dicom.reading.volumes import acquisition_of
from daemon.dicom.report.evidence import EVIDENCE, gather_evidence
from daemon.dicom.report.picture.overlay import overlay_of, pack
from daemon.dicom.report.picture.slices import Picture
from daemon.dicom.report.sr import build_sr
from daemon.dicom.report.summary import build_summary, render_summary
from daemon.line.appraisal import Appraisal, Appraiser, Companion, Company, Judge
from daemon.line.selection import check_size

_log = structlog.get_logger()

#: The encoded data set of an arrival, where it lies.
OpenDataset = Callable[[Arrival], Content]

#: Objects up to this size are compared with their checksum before their header is believed; larger ones before their
#: pixels are, so that what is refused by its header is never read whole.
_SMALL_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one series gave.

    ``objects``: the report, empty for what is no MR image or what nobody wants to be told; ``picture``: the summary as
    PNG, empty where no image was read and nobody wants a report; ``overlay``: what it draws over the anatomy, packed,
    empty where nothing; ``seconds``: duration of each stage, and ``verdict``, counted from the last image; ``bundle``:
    digest of the one that judged; ``past``: what the series adds to its protocol's past; ``software``: of the scanner,
    as its header says; ``offers``: what it may be in examinations of its study; ``members``: who was gathered to join
    it.
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
    offers: tuple[Offer, ...] = ()
    members: tuple[Member, ...] = ()
    overlay: bytes = b""


#: Who joins a series, by the bundle's name: with each its member, as it was closed; and the roles that are refused.
Gather = Callable[[str], tuple[Sequence[tuple[Member, Series]], Sequence[str]]]


class SeriesJudge:
    """Judges complete series; every series gets an answer, if need be NOT_ASSESSED with its reason.

    ``translation``: what the reports say.
    """

    def __init__(
        self, appraiser: Appraiser, open_dataset: OpenDataset, station: str, translation: Translation | None = None
    ) -> None:
        self._appraiser = appraiser
        self._station = station
        self._translation = translation or Translation()
        self._open_dataset = open_dataset

    def judge(
        self,
        series: Series,
        predecessor: ReportReference | None,
        *,
        give_up: bool = False,
        reported: Collection[State] = tuple(State),
        gather: Gather = lambda _: ((), ()),
    ) -> Judged:
        """Judge one series; ``predecessor`` is the SR of its previous revision.

        ``give_up``: answer without a look at the images, for a series that no worker survives; ``reported``: verdicts
        that anybody wants a report of; ``gather``: who joins it.
        """
        began = time.time()
        gathered: list[tuple[Member, Series]] = []
        answer = self._appraiser.give_up() if give_up else self._appraise(series, gather, gathered)
        verdict, examination = answer.verdict, answer.examination
        joined = [one for member, one in gathered if any(member == used.member for used in answer.joined)]
        last = max(one.last_received_at for one in (series, *joined))
        header = self._header(series)
        finished = time.time()
        seconds = {
            "close": series.closed_at - last,
            "queue": began - series.closed_at,
            **answer.seconds,
            "verdict": finished - last,
        }
        told = self._translation
        judgement = Judgement(
            verdict=told.verdict(verdict),
            assessment=_assessment(answer),
            algorithm=answer.algorithm,
            manifest=answer.manifest,
            own_past=_author(answer.own_past[0]) if answer.own_past else None,
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
        view = examination.findings.view if examination else None
        drawn = is_wanted or answer.image is not None
        picture = render_summary(judgement, view, answer.image, told) if drawn else None
        if is_wanted and picture is not None:
            evidence = gather_evidence(series, header, joined)
            recognizable = answer.image is not None
            summary = build_summary(evidence, judgement, picture, recognizable=recognizable, language=told.language)
            objects = (summary, build_sr(evidence, judgement, translation=told))
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
            offers=tuple(_offers(series, answer)),
            members=tuple(member for member, _ in gathered),
            overlay=b"" if view is None else pack(overlay_of(judgement, view)),
        )

    def _appraise(self, series: Series, gather: Gather, gathered: list[tuple[Member, Series]]) -> Appraisal:
        """The appraisal of a series; ``gathered`` becomes who joins it."""

        def company(bundle: str) -> Company:
            gathered[:], refused = gather(bundle)
            companions = [
                Companion(role=member.role, read=partial(self._datasets, one), member=member)
                for member, one in gathered
            ]
            return Company(companions=companions, refused=refused)

        uid, scanner = series.series_instance_uid, series.instances[0].arrival.calling_ae
        try:
            check_size([instance.arrival.length for instance in series.instances])
        except NotAssessable as error:
            answer = replace(self._appraiser.give_up(), verdict=decline(error.reason, error.detail))
        else:
            answer = self._appraiser.appraise(self._datasets(series), scanner, uid, company)
        if (reason := answer.verdict.not_assessed) is not None:
            _log.info("not_assessed", series=uid, reason=reason.name, detail="; ".join(answer.verdict.reasons))
        return answer

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


def _offers(series: Series, answer: Appraisal) -> Iterator[Offer]:
    """What the series may be in the examinations of its study."""
    offer = partial(
        Offer,
        series_instance_uid=series.series_instance_uid,
        revision=series.revision,
        partial=series.partial,
        state=answer.verdict.state,
        closed_at=series.closed_at,
    )
    manifest = answer.manifest
    if manifest is not None and manifest.is_gathered and answer.examination is not None:
        every = manifest.inputs[manifest.lead].every
        yield offer(bundle=answer.bundle, role=manifest.lead, leads=True, every=every)
    for role in answer.roles:
        yield offer(bundle=role.bundle, role=role.name, leads=False, every=role.every)


def _assessment(answer: Appraisal) -> Assessment | None:
    """All that was measured of a series."""
    if answer.examination is None or answer.own_past is None:
        return answer.examination.assessment if answer.examination else None
    judge, found = answer.own_past
    beside = BesideOwnPast(bundle=judge.algorithm.bundle_digest, assessment=found)
    return replace(answer.examination.assessment, own_past=beside)


def _author(judge: Judge) -> Author:
    return Author(algorithm=judge.algorithm, manifest=judge.examiner.bundle.manifest)


def _entry(answer: Appraisal) -> Entry | None:
    """What a judged series adds to the past of its protocol, if a bundle compared it with that."""
    if answer.examination is None or answer.origin is None or answer.verdict.state not in ACCEPTED:
        return None
    digest, manifest, found = answer.algorithm.bundle_digest, answer.manifest, answer.examination.assessment
    if answer.own_past is not None:
        judge, found = answer.own_past
        digest, manifest = judge.algorithm.bundle_digest, judge.examiner.bundle.manifest
    if manifest is None or manifest.past is None:
        return None
    origin = answer.origin
    member = member_of(found.measures, manifest.past, origin.parameters)
    return Entry(
        bundle=digest, scanner=origin.scanner, protocol=origin.protocol, member=member, most=manifest.past.most
    )


def _png(picture: Picture) -> bytes:
    stream = BytesIO()
    Image.fromarray(picture).save(stream, "PNG", compress_level=1)  # as small as at 6, in half of the time
    return stream.getvalue()
