"""Synthetic series, headers and judgements for the report's tests."""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from builders.judging.values import manifest, measure
from daemon.core.errors import Reason
from daemon.core.measures import Assessment, Measure
from daemon.core.people.translation import Translation
from daemon.core.values import Algorithm, Arrival, ClosedBy, Instance, Judgement, ReportContext, Series, State, Verdict
from models.findings import Structure, View
from models.physics.artefacts import Artefact

STUDY_UID = "1.2.840.99999.1"
SERIES_UID = "1.2.840.99999.1.7"
FINISHED_AT = 1_790_000_000.25  # 2026-09-21 14:13:20.25 UTC


def make_header(**attributes: Any) -> Dataset:
    """The header of one classic MR image, as read back from its encoding; None leaves an attribute out."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    defaults: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "SOPClassUID": MRImageStorage,
        "SOPInstanceUID": f"{SERIES_UID}.1",
        "StudyInstanceUID": STUDY_UID,
        "SeriesInstanceUID": SERIES_UID,
        "Modality": "MR",
        "PatientName": "Planted^Patient",
        "PatientID": "PLANTED-ID-4711",
        "PatientBirthDate": "19610417",
        "PatientSex": "F",
        "PatientAge": "064Y",
        "StudyDate": "20260921",
        "StudyTime": "141100.123",
        "StudyID": "PLANTEDSTUDY",
        "AccessionNumber": "PLANTEDACC",
        "StudyDescription": "Planted description",
        "ReferringPhysicianName": "Planted^Referrer",
        "SeriesNumber": 7,
        "BodyPartExamined": "BRAIN",
        "FrameOfReferenceUID": "1.2.840.99999.3",
        "Rows": 256,
        "Columns": 240,
        "Manufacturer": "Maker of scanners",
        "ManufacturerModelName": "Model",
        "DeviceSerialNumber": "0042",
        "SoftwareVersions": ["A", "B"],
        "StationName": "MR1",
        "InstitutionName": "Hospital",
    }
    for keyword, value in (defaults | attributes).items():
        if value is not None:
            setattr(header, keyword, value)
    return read_back(header)


def read_back(header: Dataset) -> Dataset:
    """The header as a reader of files finds it: undecoded."""
    buffer = BytesIO()
    dcmwrite(buffer, header, implicit_vr=False, little_endian=True)
    return dcmread(BytesIO(buffer.getvalue()), force=True)


def make_series(count: int = 24, *, header: Dataset | None = None, uids: Sequence[str] = (), **changes: Any) -> Series:
    """A series of ``count`` instances, or of those with ``uids``."""
    identifiers = uids or [f"{SERIES_UID}.{number + 1}" for number in range(count)]
    sop_class = MRImageStorage if header is None else str(header.get("SOPClassUID", MRImageStorage))
    values: dict[str, Any] = {
        "series_instance_uid": SERIES_UID if header is None else str(header.get("SeriesInstanceUID", SERIES_UID)),
        "study_instance_uid": STUDY_UID if header is None else str(header.get("StudyInstanceUID", STUDY_UID)),
        "revision": 1,
        "instances": tuple(_instance(uid, sop_class) for uid in identifiers),
        "closed_by": ClosedBy.GEOMETRY,
        "closed_at": FINISHED_AT - 3,
        "partial": False,
    }
    return Series(**(values | changes))


def _instance(uid: str, sop_class: str) -> Instance:
    arrival = Arrival(
        sop_instance_uid=uid,
        sop_class_uid=sop_class,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        calling_ae="MR1",
        called_ae="SCANSIDE",
        association="a1",
        received_at=FINISHED_AT - 5,
        segment="0",
        offset=0,
        length=1,
    )
    return Instance(
        arrival=arrival,
        series_instance_uid=SERIES_UID,
        study_instance_uid=STUDY_UID,
        modality="MR",
        digest="0" * 64,
    )


ALGORITHM = Algorithm(
    bundle="brain-t1",
    bundle_version="1.0.0",
    bundle_digest="ab" * 32,
    software_version="0.1.0",
    config_digest="cd" * 32,
)


def make_assessment(*others: Measure, **changes: Any) -> Assessment:
    """A series with head movement, everything else within its limits; ``others`` take the place of their namesakes."""
    told = (
        measure("noise", 0.01, limit=0.05),
        measure("spike", 0.002, limit=0.04),
        measure("blur", 0.03, limit=0.06),
        measure("wrap", 0.011, limit=0.05),
        measure("motion", 0.21, limit=0.07),
        measure("uncertainty", 0.412345678, limit=0.3),
        measure("snr", 21.3),
        measure("cnr", 3.2),
        measure("feature distance", 1.2, limit=3.0),
        measure("histogram distance", 0.9, limit=2.5),
        measure("task", 0.4, limit=0.9),
        measure("entropy", 0.31, limit=0.5),
    )
    values: dict[str, Any] = {
        "primary": "uncertainty",
        "measures": tuple({one.name: one for one in (*told, *others)}.values()),
        "presence": {artefact.value: 0.9 if artefact is Artefact.MOTION else 0.05 for artefact in Artefact},
        "structures": (
            Structure(name="CSF", volume_ml=312.4, interval_ml=(280.0, 350.5)),
            Structure(name="grey matter", volume_ml=702.1234567, interval_ml=(650.0, 760.0)),
            Structure(name="white matter", volume_ml=488.0, interval_ml=(490.0, 520.0)),
        ),
        "reference": "scanner MR1, protocol t1_mprage: 240 series",
    }
    return Assessment(**(values | changes))


def make_judgement(state: State = State.RESCAN, **changes: Any) -> Judgement:
    """An judgement of one of the four states; ``changes`` replace fields of its context."""
    context = ReportContext(revision=1, closed_by=ClosedBy.GEOMETRY, partial=False, finished_at=FINISHED_AT)
    verdicts = {
        State.ACCEPT: Verdict(state=State.ACCEPT, action="Carry on.", rating=97),
        State.REVIEW: Verdict(
            state=State.REVIEW,
            action="Look at the images before the patient leaves.",
            cause="blur",
            cause_word="Blur",
            reasons=("blur above its limit",),
            rating=55,
        ),
        State.RESCAN: Verdict(
            state=State.RESCAN,
            action="Repeat the series; ask the patient to lie still.",
            cause="motion",
            cause_word="Motion",
            reasons=("motion variance 0.21 above 0.07",),
            rating=20,
        ),
        State.NOT_ASSESSED: Verdict(
            state=State.NOT_ASSESSED,
            action="Not judged: slices are missing. Decide by eye.",
            not_assessed=Reason.INCOMPLETE,
        ),
    }
    return Judgement(
        verdict=verdicts[state],
        assessment=None if state is State.NOT_ASSESSED else make_assessment(),
        algorithm=ALGORITHM,
        manifest=manifest(),
        context=replace(context, **changes),
    )


def said_in(translation: Translation, judgement: Judgement) -> Judgement:
    """The judgement with its verdict in another language, as reports are given it."""
    return replace(judgement, verdict=translation.verdict(judgement.verdict))


def make_view(**changes: Any) -> View:
    """Nested ellipsoids on a 2 mm box: scalp, CSF, grey and white matter; variances are hot on the patient's left."""
    shape = (80, 96, 80)
    index = np.indices(shape, np.float32)
    middle = (np.asarray(shape, np.float32) - 1) / 2
    radius = np.sqrt(sum(((i - m) / (0.45 * n)) ** 2 for i, m, n in zip(index, middle, shape, strict=True)))
    labels = np.select([radius < 0.6, radius < 0.75, radius < 0.82], [3, 2, 1], 0).astype(np.uint8)
    image = np.choose(labels, [0.4 * (radius < 1), 0.1, 0.6, 0.9]).astype(np.float32)
    left = (labels > 0) * np.linspace(1, 0, shape[0], dtype=np.float32)[:, None, None]
    heat = {artefact.value: (0.05 * left).astype(np.float32) for artefact in Artefact}
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -2 * middle
    values: dict[str, Any] = {
        "image": image,
        "affine": affine,
        "region": labels > 0,
        "outlined": labels == 2,
        "heat": heat | {"motion": left.astype(np.float32)},
    }
    return View(**(values | changes))
