"""The receiver's book of procedure steps: which it was told of, and which have ended (MPPS SCP, PS3.4 F.7.2).

The spool holds the reports, for the daemon. The book holds one small file a step beside it, named by a hash, so that
the receiver knows after a restart what it may answer, without reading the spool. A report is written to the spool
first: killed between the two, the receiver takes the same report again, which changes nothing.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from daemon.core.errors import SpoolError
from daemon.core.steps import StepState
from daemon.dicom.protocol.contexts import PROCEDURE_STEP
from daemon.dicom.protocol.dimse import Command, Request, Status
from daemon.dicom.protocol.procedure_step import UID, stated_status
from daemon.edge.durable import flush_folder, write_whole
from daemon.edge.private import make_folder
from daemon.edge.spool.draft import Draft
from daemon.edge.spool.segments import StepReceipt
from daemon.edge.spool.writer import SpoolWriter

_FOLDER: Final = "steps"
#: A step that nobody ended by then is forgotten.
_KEPT_S: Final = 60 * 86400.0


class StepBook:
    """One book a spool, of ``steps_max`` steps: then the one longest unheard of is forgotten. For any thread.

    Raises:
        SpoolError: the folder cannot be used.
    """

    def __init__(self, writer: SpoolWriter, steps_max: int) -> None:
        self._writer = writer
        self._folder = writer.folder / _FOLDER
        self._steps_max = steps_max
        self._lock = threading.Lock()
        try:
            self._make_folder()
            told_at = {path: path.stat().st_mtime for path in self._folder.iterdir()}
            #: The files of the steps, the one that was told of longest ago first.
            self._known = dict.fromkeys(sorted(told_at, key=lambda path: told_at[path]))
            self._forget(lambda oldest: told_at[oldest] < time.time() - _KEPT_S)
        except OSError as error:
            raise SpoolError(f"the folder {self._folder} cannot be used ({error.strerror}): check the disk") from error

    def take(self, request: Request, receipt: StepReceipt, draft: Draft) -> Status:
        """Answer an N-CREATE or N-SET; 0x0000 once the report is durable."""
        if request.sop_class_uid != PROCEDURE_STEP:
            return Status.NO_SUCH_CLASS
        if not UID.fullmatch(receipt.step_uid):
            return Status.INVALID_INSTANCE
        with self._lock:  # several may report the same step at once; and only one report is in memory
            status = stated_status(draft.content(), receipt.transfer_syntax_uid)
            try:
                refusal = self._refusal(request.command, receipt.step_uid, status)
                if refusal is None:
                    self._writer.append(receipt, draft)
                    if status is not None:
                        self._note(self._path(receipt.step_uid), status)
            except (OSError, SpoolError) as error:
                structlog.get_logger().error("step_not_written", error=type(error).__name__)
                return Status.RESOURCE_LIMITATION
        return Status.SUCCESS if refusal is None else refusal

    def _note(self, path: Path, status: str) -> None:
        """Keep what was reported of a step.

        Raises:
            OSError: it cannot be kept.
        """
        if not self._folder.exists():  # the spool was removed, and made again
            self._make_folder()
        write_whole(path, status.encode())
        self._known.pop(path, None)
        self._known[path] = None
        self._forget(lambda _: len(self._known) > self._steps_max)

    def _forget(self, is_too_much: Callable[[Path], bool]) -> None:
        """Remove the oldest steps as long as they are too much."""
        while (oldest := next(iter(self._known), None)) is not None and is_too_much(oldest):
            del self._known[oldest]
            oldest.unlink(missing_ok=True)

    def _make_folder(self) -> None:
        make_folder(self._folder)
        flush_folder(self._writer.folder)

    def _refusal(self, command: Command, step_uid: str, status: str | None) -> Status | None:
        """Why the report is not taken; None where it is."""
        known = self._state(step_uid)
        if command is Command.N_CREATE and known is not None:
            return Status.DUPLICATE_INSTANCE
        if command is Command.N_SET and known is None:
            return Status.NO_SUCH_INSTANCE
        if known is not None and known.final:
            return Status.STEP_ENDED
        if status is None:
            return Status.MISSING_ATTRIBUTE if command is Command.N_CREATE else None
        if not status:
            return Status.MISSING_VALUE
        allowed = [StepState.IN_PROGRESS] if command is Command.N_CREATE else [*StepState]
        return None if status in allowed else Status.INVALID_VALUE

    def _state(self, step_uid: str) -> StepState | None:
        try:
            return StepState(self._path(step_uid).read_text())
        except FileNotFoundError:
            return None
        except ValueError:  # damaged: what it was can no longer be told, that it was can
            return StepState.IN_PROGRESS

    def _path(self, step_uid: str) -> Path:
        return self._folder / hashlib.sha256(step_uid.encode()).hexdigest()[:40]
