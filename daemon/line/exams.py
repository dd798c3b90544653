"""From arrivals to exams: whose the first image of each series is, and which exam its scanner is at."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from daemon.core.people.exams import PatientHint
from daemon.core.steps import StepArrival
from daemon.core.values import Instance
from daemon.dicom.whose import whose_series, whose_step
from daemon.edge.database.studies.exams import Exams
from daemon.edge.spool.reader import SpoolReader

_REMEMBERED: Final = 10_000


class SpoolExams:
    """The book of exams over the spool, whose objects it reads, and the database.

    ``scanners``: calling AE title -> alias; two titles of one alias are one scanner.
    """

    def __init__(self, exams: Exams, spool: SpoolReader, scanners: Mapping[str, str], hint: PatientHint) -> None:
        self._exams = exams
        self._spool = spool
        self._scanners = scanners
        self._hint = hint
        self._entered: OrderedDict[str, None] = OrderedDict()

    def receive(self, instance: Instance) -> None:
        """Enter the series of an image, if it is its first.

        Raises:
            SpoolError: the image can no longer be read.
        """
        uid, arrival = instance.series_instance_uid, instance.arrival
        if uid in self._entered:
            return
        content = self._spool.dataset(arrival, checked=not instance.damaged)
        whose = replace(whose_series(arrival, content, self._hint), study_instance_uid=instance.study_instance_uid)
        self._exams.enter(self._name(arrival.calling_ae), whose, arrival.received_at, uid)
        self._entered[uid] = None
        if len(self._entered) > _REMEMBERED:
            self._entered.popitem(last=False)

    def step(self, arrival: StepArrival) -> None:
        """Begin the exam that a procedure step announces, before its first image.

        Raises:
            SpoolError: the step can no longer be read.
        """
        whose = whose_step(arrival, self._spool.dataset_bytes(arrival), self._hint)
        if whose is not None:
            self._exams.enter(self._name(arrival.calling_ae), whose, arrival.received_at)

    def _name(self, calling_ae: str) -> str:
        return self._scanners.get(calling_ae, calling_ae)
