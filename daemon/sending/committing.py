"""Asking one archive to commit what it stored, again and again until it answers or it is too late to matter."""

import time
import uuid

import structlog

from daemon.core.errors import DeliveryError
from daemon.core.sending.commitment import Outcome
from daemon.edge.database.pledges import Pledges
from daemon.edge.delivery.commitment import CommitmentScu
from daemon.edge.supervisor import Loop
from daemon.sending.delivering import DeliveryServices

#: Objects delivered within this time are asked about together.
_LOOK_S = 1.0
#: When to ask again: an archive may check its disks first, and answers long after.
_AGAIN_S = 3600.0
_TROUBLE_S = 60.0

_log = structlog.get_logger()


class Committer:
    """Asks one archive; after ``retry_for_s`` seconds without an answer it stops asking."""

    def __init__(
        self, services: DeliveryServices, pledges: Pledges, archive: CommitmentScu, retry_for_s: float
    ) -> None:
        self._services = services
        self._pledges = pledges
        self._archive = archive
        self._retry_for_s = retry_for_s

    def turn(self) -> float:
        """Ask about what is due; the seconds to wait before the next turn."""
        now, name = time.time(), self._archive.name
        given_up = self._pledges.give_up(name, now - self._retry_for_s)
        if given_up:
            _log.error("commitment_unanswered", destination=name, instances=given_up)
        transaction_uid = f"2.25.{uuid.uuid4().int}"
        asked = self._pledges.claim(name, transaction_uid, now, now + _AGAIN_S)
        stored = [named for uid in asked if (named := self._named(uid)) is not None]
        if stored:
            self._services.supervisor.item(
                Loop.COMMITTING,
                lambda: self._ask(transaction_uid, stored),
                lambda _: self._pledges.ask_again(transaction_uid, now + _TROUBLE_S),
            )
        return _LOOK_S

    def _ask(self, transaction_uid: str, stored: list[tuple[str, str]]) -> None:
        try:
            self._archive.ask(transaction_uid, stored)
        except DeliveryError as error:
            _log.warning("commitment_not_asked", destination=self._archive.name, detail=str(error))
            self._pledges.ask_again(transaction_uid, time.time() + _TROUBLE_S)

    def _named(self, sop_instance_uid: str) -> tuple[str, str] | None:
        """SOP class and instance; None where the report's file is gone or damaged: that one is asked about no more."""

        def read() -> tuple[str, str]:
            stored = self._services.reports.load(sop_instance_uid)
            return stored.sop_class_uid, stored.sop_instance_uid

        return self._services.supervisor.item(
            Loop.COMMITTING, read, lambda reason: self._pledges.drop(self._archive.name, sop_instance_uid, reason)
        )


def take_outcome(pledges: Pledges, outcome: Outcome) -> bool:
    """Record what an archive answers; False where nobody asked."""
    answered = pledges.settle(outcome, time.time())
    if answered is None:
        return False
    if answered.resent or answered.parked:
        _log.error("commitment_failed", instances=answered.resent + answered.parked)
    return True
