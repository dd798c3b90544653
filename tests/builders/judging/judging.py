"""A closed series of data sets, and what judges it, without a spool."""

from builders.images.series import encoded
from daemon.config import Settings
from daemon.core.values import Algorithm, Arrival, ClosedBy, Instance, Series
from daemon.dicom.content import InMemory
from daemon.edge.engines import OnnxRuntimeSettings, engine_maker
from daemon.line.appraisal import Appraiser, Judge
from daemon.line.examination import Examiners
from daemon.line.judgement import SeriesJudge
from daemon.routes import all_routes

ALGORITHM = Algorithm(bundle="b", bundle_version="1", bundle_digest="d", software_version="1", config_digest="c")


def series_of(datasets, scanner):
    """A closed series, and how to read its data sets."""
    stored = {str(dataset.SOPInstanceUID): encoded(dataset) for dataset in datasets}
    arrivals = [
        Arrival(
            sop_instance_uid=str(dataset.SOPInstanceUID),
            sop_class_uid=str(dataset.SOPClassUID),
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            calling_ae=scanner,
            called_ae="SCANSIDE",
            association="a",
            received_at=1.0,
            segment="1",
            offset=0,
            length=1,
        )
        for dataset in datasets
    ]
    instances = [
        Instance(arrival=one, series_instance_uid="1.2.3", study_instance_uid="1.2", modality="MR", digest="")
        for one in arrivals
    ]
    series = Series(
        series_instance_uid="1.2.3",
        study_instance_uid="1.2",
        revision=1,
        instances=tuple(instances),
        closed_by=ClosedBy.RELEASE,
        closed_at=2.0,
        partial=False,
    )
    return series, lambda arrival: InMemory(stored[arrival.sop_instance_uid])


def judge_of(datasets, scanner="MR1"):
    """What the daemon's own line says of a series, with the bundles that ship, in the engine that made the record."""
    settings = Settings()
    examiners = Examiners(settings.bundle_folders, engine_maker(OnnxRuntimeSettings(), settings.compiled))

    def find(bundle):
        return Judge(examiner=examiners.get(bundle), algorithm=ALGORITHM, choose_standard=lambda _: None)

    series, read = series_of(datasets, scanner)
    return SeriesJudge(Appraiser(find, ALGORITHM, all_routes(settings)), read, "here").judge(series, None)
