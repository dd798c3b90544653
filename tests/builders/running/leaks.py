"""A program that says a patient's data on every road to standard error that we know of.

Run it with ``configured`` and nothing of PLANTED may come out; run it with ``bare`` and all of it does, which shows
that each leak is a real one.
"""

import asyncio
import logging
import sys
import threading
import warnings
from collections.abc import Callable

import highdicom
import pydicom
import pynetdicom
import structlog
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.sop_class import PatientRootQueryRetrieveInformationModelFind

from daemon.core.errors import NotAssessable, Reason
from daemon.edge.telemetry import logs

NAME = "Zzyzx^Quentina"
PATIENT_ID = "PID-7391-XQ"
BIRTH_DATE = "1943-Nov-17"
ACCESSION = "ACC-8827-QX"
SERIES_UID = "1.2.826.0.1.3680043.8.498.7391.17"
PLANTED = (NAME, *NAME.split("^"), PATIENT_ID, BIRTH_DATE, ACCESSION, SERIES_UID)
SITE_KEY = b"a key that no other site has"

log = structlog.get_logger()


class Unbearable(RuntimeError):
    """An error of nobody's that quotes a patient."""


def patient() -> Dataset:
    """A data set with everything that must stay inside."""
    dataset = Dataset()
    dataset.PatientName = NAME
    dataset.PatientID = PATIENT_ID
    dataset.AccessionNumber = ACCESSION
    dataset.SeriesInstanceUID = SERIES_UID
    return dataset


def pydicom_error() -> None:
    try:
        pydicom.valuerep.DA(BIRTH_DATE)
    except ValueError:
        log.exception("header unreadable")


def pydicom_error_as_a_library_record() -> None:
    try:
        pydicom.valuerep.DA(BIRTH_DATE)
    except ValueError:
        logging.getLogger("pydicom").exception("cannot read %s", patient())


def pydicom_warning() -> None:
    patient().StudyInstanceUID = f"{SERIES_UID}/{ACCESSION}"


def highdicom_error() -> None:
    item = patient()
    item.ValueType = "TEXT"
    try:
        highdicom.sr.PnameContentItem.from_dataset(item)
    except ValueError:
        log.error("report not read", exc_info=True)  # noqa: G201, the form under test


def highdicom_warning() -> None:
    highdicom.valuerep.check_person_name(NAME.replace("^", " "))


def highdicom_record() -> None:
    logging.getLogger("highdicom.base").warning(f"The name {NAME} is unlikely")  # noqa: G004, what libraries do


def pynetdicom_association() -> None:
    """A query whose identifier names the patient, answered by a handler that fails on him, with debugging on."""

    def answer(event: pynetdicom.events.Event) -> None:
        raise Unbearable(str(event.identifier))

    entity = pynetdicom.AE("PEER")
    entity.add_supported_context(PatientRootQueryRetrieveInformationModelFind)
    entity.add_requested_context(PatientRootQueryRetrieveInformationModelFind)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(pynetdicom.evt.EVT_C_FIND, answer)])
    association = entity.associate("127.0.0.1", server.server_address[1])
    query = patient()
    query.QueryRetrieveLevel = "PATIENT"
    list(association.send_c_find(query, PatientRootQueryRetrieveInformationModelFind))
    association.release()
    server.shutdown()


def record_that_cannot_be_formatted() -> None:
    logging.getLogger("somebody").error("%d slices", NAME)


def handler_that_a_library_brought() -> None:
    logging.getLogger("library.with.handler").error("query for %s", PATIENT_ID)


def workflow_engine() -> None:
    import dbos._logger  # noqa: PLC0415, it takes a second and only this leak needs it

    dbos._logger.init_logger()  # noqa: SLF001, what importing and launching DBOS does
    logging.getLogger("dbos").error("step failed: %s", NAME)


def fields() -> None:
    structlog.contextvars.bind_contextvars(patient=NAME)
    log.bind(accession=ACCESSION).warning(
        f"series {SERIES_UID} closed by %s",
        PATIENT_ID,
        series=SERIES_UID,
        instance=UID(SERIES_UID),
        status=patient(),
        cause=pydicom.valuerep.PersonName(NAME),
        detail=f"see {SERIES_UID}",
        outcome=[NAME],
        **{PATIENT_ID: 1},
    )
    structlog.contextvars.clear_contextvars()


def error_behind_an_error() -> None:
    try:
        try:
            pydicom.valuerep.DA(BIRTH_DATE)
        except ValueError as error:
            raise NotAssessable(Reason.UNREADABLE, detail=f"because {error}") from error
    except NotAssessable:
        log.exception("series not assessed")


def task_nobody_waited_for() -> None:
    async def fail() -> None:
        raise Unbearable(NAME)

    async def main() -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(0.01)
        del task

    asyncio.run(main())


def thread_that_dies() -> None:
    def fail() -> None:
        warnings.warn(f"about {PATIENT_ID}", RuntimeWarning, stacklevel=1)
        raise Unbearable(NAME)

    thread = threading.Thread(target=fail, name=NAME)
    thread.start()
    thread.join()


def finaliser_that_fails() -> None:
    class Careless:
        def __del__(self) -> None:
            raise Unbearable(ACCESSION)

    Careless()


def process_that_dies() -> None:
    raise Unbearable(NAME, PATIENT_ID, BIRTH_DATE, ACCESSION, SERIES_UID)


LEAKS: tuple[Callable[[], None], ...] = (
    pydicom_error,
    pydicom_error_as_a_library_record,
    pydicom_warning,
    highdicom_error,
    highdicom_warning,
    highdicom_record,
    pynetdicom_association,
    record_that_cannot_be_formatted,
    handler_that_a_library_brought,
    workflow_engine,
    fields,
    error_behind_an_error,
    task_nobody_waited_for,
    thread_that_dies,
    finaliser_that_fails,
    process_that_dies,
)

if __name__ == "__main__":
    logging.basicConfig()
    logging.getLogger("library.with.handler").addHandler(logging.StreamHandler())
    pynetdicom.debug_logger()
    if "configured" in sys.argv:
        logs.configure("debug", SITE_KEY)
    for leak in LEAKS:
        sys.stdout.flush()
        sys.stderr.write(f"@@@ {leak.__name__}\n")
        leak()
        logs.drain()
