"""A database with judged series that owe their reports."""

from io import BytesIO

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from builders.judging.values import instance
from daemon.core.values import ClosedBy, ReportKind, ReportObject, Series, State, Verdict
from daemon.edge.database.index import Index
from daemon.edge.database.results import Published, Results
from daemon.edge.durable import write_whole
from daemon.edge.files.reports import Reports

SR_CLASS = "1.2.840.10008.5.1.4.1.1.88.34"


def owe(  # noqa: PLR0913 - each has its default
    engine, number: int, state: State = State.ACCEPT, *, kinds=("SR",), to=("pacs",), at: float = 100.0
) -> str:
    """Close and judge series ``number``; each of ``kinds`` is owed to each of ``to``. Its UID."""
    uid = f"1.2.9.{number}"
    Index(engine, b"key").close_series(
        Series(
            series_instance_uid=uid,
            study_instance_uid="1.2",
            revision=1,
            instances=(instance(0),),
            closed_by=ClosedBy.RELEASE,
            closed_at=at,
            partial=False,
        )
    )
    published = Published(
        verdict=Verdict(state=state, action="look"),
        assessment=None,
        description="t1",
        seconds={"verdict": 2.0},
        objects={kind: sop_uid(number, kind) for kind in kinds},
        bundle="b1",
        at=at,
    )
    owed = [(kind, sop_uid(number, kind), name) for name in to for kind in kinds]
    assert Results(engine).publish(uid, 1, published, owed)
    return uid


def sop_uid(number: int, kind: str = "SR") -> str:
    """The UID of one object of a series."""
    return f"2.25.{1000 + number}{1 if kind == 'SC' else 2}"


def save(reports: Reports, number: int, kind: str = "SR", sop_class: str = SR_CLASS) -> ReportObject:
    """Write the object that a series owes, small but real."""
    dataset, stream = Dataset(), BytesIO()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, sop_uid(number, kind)
    dataset.PatientID, dataset.StudyInstanceUID = "DEMO", "1.2.9"
    dataset.SeriesInstanceUID, dataset.Modality = f"1.2.9.{number}.1", "SR" if kind == "SR" else "OT"
    dcmwrite(stream, dataset, enforce_file_format=True)
    report_object = ReportObject(
        kind=ReportKind(kind),
        sop_instance_uid=sop_uid(number, kind),
        sop_class_uid=sop_class,
        series_instance_uid=f"1.2.9.{number}.1",
        payload=stream.getvalue(),
    )
    write_whole(reports.path(report_object.sop_instance_uid), report_object.payload)
    return report_object
