"""What a scanner reports of a procedure step: N-CREATE and N-SET data sets (PS3.4 F.7.2, table F.7.2-1).

No patient is named: the receiver that this is for asks for state and images only.
"""

from collections.abc import Iterable

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from daemon.core.steps import StepState


def begun(study_instance_uid: str, station: str, began: str) -> Dataset:
    """The attributes of a step in progress; ``began`` is date and time, YYYYMMDDHHMMSS."""
    scheduled = Dataset()
    scheduled.StudyInstanceUID = study_instance_uid
    scheduled.ReferencedStudySequence = Sequence()
    for keyword in ("AccessionNumber", "RequestedProcedureID", "RequestedProcedureDescription"):
        setattr(scheduled, keyword, "")
    scheduled.ScheduledProcedureStepID = scheduled.ScheduledProcedureStepDescription = ""
    scheduled.ScheduledProtocolCodeSequence = Sequence()
    step = Dataset()
    step.ScheduledStepAttributesSequence = Sequence([scheduled])
    step.PatientName = step.PatientID = step.PatientBirthDate = step.PatientSex = ""
    step.ReferencedPatientSequence = Sequence()
    step.PerformedProcedureStepID, step.PerformedStationAETitle = "1", station
    step.PerformedStationName = step.PerformedLocation = ""
    step.PerformedProcedureStepStartDate, step.PerformedProcedureStepStartTime = began[:8], began[8:]
    step.PerformedProcedureStepStatus = StepState.IN_PROGRESS.value
    step.PerformedProcedureStepDescription = step.PerformedProcedureTypeDescription = ""
    step.ProcedureCodeSequence = Sequence()
    step.PerformedProcedureStepEndDate = step.PerformedProcedureStepEndTime = ""
    step.Modality, step.StudyID = "MR", ""
    step.PerformedProtocolCodeSequence = Sequence()
    step.PerformedSeriesSequence = Sequence()
    return step


def ended(state: StepState, images: Iterable[tuple[str, str, str]], ended_at: str) -> Dataset:
    """The changes that end a step; ``images``: series instance, SOP class and SOP instance UID of each."""
    series: dict[str, list[Dataset]] = {}
    for series_uid, sop_class, sop_instance in images:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop_class, sop_instance
        series.setdefault(series_uid, []).append(reference)
    step = Dataset()
    step.PerformedProcedureStepStatus = state.value
    step.PerformedProcedureStepEndDate, step.PerformedProcedureStepEndTime = ended_at[:8], ended_at[8:]
    step.PerformedSeriesSequence = Sequence([_series(uid, references) for uid, references in series.items()])
    return step


def _series(uid: str, references: list[Dataset]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = uid
    item.ProtocolName = "unknown"  # type 1
    item.SeriesDescription = item.PerformingPhysicianName = item.OperatorsName = item.RetrieveAETitle = ""
    item.ReferencedImageSequence = Sequence(references)
    item.ReferencedNonImageCompositeSOPInstanceSequence = Sequence()
    return item
