"""An assembly over a spool and an index."""

import threading
from collections.abc import Callable
from pathlib import Path

from daemon.core.people.exams import PatientHint
from daemon.core.ports import ReadInstance, ReadReport
from daemon.core.reception.completion import Completion
from daemon.core.values import Arrival
from daemon.dicom.protocol.procedure_step import read_report
from daemon.dicom.reading.headers import read_instance
from daemon.edge.database.index import Index
from daemon.edge.database.patience import is_gone
from daemon.edge.database.studies.exams import Exams
from daemon.edge.spool.reader import SpoolReader
from daemon.edge.supervisor import Supervisor
from daemon.line.arrivals import Reading
from daemon.line.assembly import Assembly
from daemon.line.exams import SpoolExams

READERS = (read_instance, read_report)


def assembled(
    spool: Path,
    index: Index,
    completion: Completion,
    readers: tuple[ReadInstance, ReadReport] = READERS,
    note: Callable[[Arrival], None] = lambda _: None,
) -> Assembly:
    """The assembly, as the daemon makes it."""
    supervisor = Supervisor(threading.Event(), passes=is_gone)
    reader = SpoolReader(spool)
    exams = SpoolExams(Exams(index._engine, b"key"), reader, {}, PatientHint.NONE)  # noqa: SLF001 - the same database
    return Assembly(Reading(reader, *readers, supervisor), index, completion, note, exams)
