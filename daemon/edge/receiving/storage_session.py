"""The data phase of one association: requests in, durable instances and answers out."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from daemon.core.errors import PeerLost, ProtocolError, SpoolError
from daemon.core.values import AssociationEnd
from daemon.dicom.protocol.dimse import Command, Request, Status, decode_request, encode_response
from daemon.dicom.protocol.pdu import AbortReason, Fragment, PduType, encode_command, fragments
from daemon.edge.receiving.negotiation import Context
from daemon.edge.receiving.pace import Pace
from daemon.edge.receiving.pdu_stream import PduStream
from daemon.edge.receiving.status import Counters
from daemon.edge.receiving.step_book import StepBook
from daemon.edge.spool.draft import Draft
from daemon.edge.spool.segments import Receipt, StepReceipt
from daemon.edge.spool.writer import SpoolWriter

_COMMAND_BYTES_MAX = 16 << 10  # ours have about 200
_STEP_BYTES_MAX = 16 << 20  # a reference has about 150: a hundred thousand images
#: Bytes of one object that count as progress: it may take long.
_PROGRESS_BYTES = 1 << 20
#: What an echo costs, in fragments: a peer in a loop gets 12 a second.
_ECHO_UNITS = 400
_OF_STEPS = (Command.N_CREATE, Command.N_SET)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationContext:
    """Who is on an association, what was agreed with them, how large an object they may send, whom progress is told."""

    calling_ae: str
    called_ae: str
    contexts: Mapping[int, Context]
    object_bytes_max: int
    progress: Callable[[], None] = lambda: None


class StorageSession:
    """Serves C-STORE, C-ECHO and MPPS until the peer releases the association.

    A message is a command set in one or more fragments and, but for C-ECHO, a data set in more of them; messages do
    not overlap, as no asynchronous operations are negotiated (PS3.7 annex D.3.3.3).
    """

    def __init__(
        self,
        stream: PduStream,
        association: AssociationContext,
        writer: SpoolWriter,
        steps: StepBook,
        counters: Counters,
    ) -> None:
        self._stream = stream
        self._association = association
        self._writer = writer
        self._steps = steps
        self._counters = counters
        self._token = secrets.token_hex(8)
        self._command = bytearray()
        self._pace = Pace()
        self._reported_bytes = 0
        self._context_id = 0
        self._incoming: tuple[Request, Draft] | None = None
        self.stored = 0

    def run(self) -> None:
        """Serve until the release is requested; however it ends, what was stored is followed by an end in the spool.

        Raises:
            PeerLost: the peer aborted, closed the connection or fell silent.
            ProtocolError: the peer broke the protocol, or sent more than it may.
        """
        aborted = True
        try:
            self._serve()
            aborted = False
        finally:
            if self._incoming:
                self._incoming[1].close()
            if self.stored:
                self._record_end(aborted=aborted)

    def _record_end(self, *, aborted: bool) -> None:
        """Without it, completion waits for its quiet time: no reason to fail."""
        try:
            self._writer.append(AssociationEnd(association=self._token, ended_at=time.time(), aborted=aborted))
        except SpoolError:
            self._counters.add(write_failures=1)

    def _serve(self) -> None:
        while True:
            pdu_type, body = self._stream.read()
            if pdu_type == PduType.DATA:
                if not body:
                    raise ProtocolError("a data PDU came without any data", AbortReason.INVALID_PARAMETER)
                for fragment in fragments(body):
                    self._take(fragment)
            elif pdu_type == PduType.RELEASE_REQUEST:
                return
            elif pdu_type == PduType.ABORT:
                raise PeerLost("the peer aborted the association")
            else:
                raise ProtocolError("a PDU came that has no place here", AbortReason.UNEXPECTED_PDU)

    def _take(self, fragment: Fragment) -> None:
        if fragment.is_command == (self._incoming is not None):
            raise ProtocolError("commands and data sets came out of turn", AbortReason.UNEXPECTED_PARAMETER)
        self._pace.earn(len(fragment.content))
        self._pace.spend(1)
        if self._incoming is None:
            self._take_command(fragment)
        else:
            self._take_data(fragment, *self._incoming)

    def _take_command(self, fragment: Fragment) -> None:
        self._command += fragment.content
        if len(self._command) > _COMMAND_BYTES_MAX:
            raise ProtocolError("a command set is absurdly long", AbortReason.INVALID_PARAMETER)
        if not fragment.is_last:
            return
        request, self._command = decode_request(bytes(self._command)), bytearray()
        self._context_id = fragment.context_id
        if self._context_id not in self._association.contexts:
            raise ProtocolError("a request came on a context not accepted", AbortReason.INVALID_PARAMETER)
        if request.command not in _OF_STEPS and request.has_data_set != (request.command is Command.C_STORE):
            raise ProtocolError("a request came without its data set", AbortReason.INVALID_PARAMETER)
        if request.command is Command.C_ECHO:
            self._echo(request)
        elif request.has_data_set:
            self._incoming = request, self._writer.draft()
        else:  # a step's report that says nothing
            self._answer(request, self._report(request, self._writer.draft()))

    def _echo(self, request: Request) -> None:
        self._pace.spend(_ECHO_UNITS)
        self._answer(request, Status.SUCCESS)
        self._counters.add(echoes=1)

    def _take_data(self, fragment: Fragment, request: Request, draft: Draft) -> None:
        if fragment.context_id != self._context_id:
            raise ProtocolError("a data set changed its context", AbortReason.INVALID_PARAMETER)
        draft.add(fragment.content)
        if draft.length - self._reported_bytes >= _PROGRESS_BYTES:
            self._reported_bytes = draft.length
            self._association.progress()
        of_step = request.command in _OF_STEPS
        if draft.length > (_STEP_BYTES_MAX if of_step else self._association.object_bytes_max):
            raise ProtocolError("an object is larger than it may be", AbortReason.NOT_SPECIFIED)
        if fragment.is_last:
            status = (self._report if of_step else self._store)(request, draft)
            draft.close()
            self._incoming = None
            self._reported_bytes = 0
            self._answer(request, status)

    def _store(self, request: Request, draft: Draft) -> Status:
        """Wait until the instance is durable; A700 only where it could not be made so."""
        receipt = Receipt(
            sop_instance_uid=request.sop_instance_uid,
            sop_class_uid=request.sop_class_uid,
            transfer_syntax_uid=self._association.contexts[self._context_id].transfer_syntax_uid,
            calling_ae=self._association.calling_ae,
            called_ae=self._association.called_ae,
            association=self._token,
            received_at=time.time(),
        )
        try:
            self._writer.append(receipt, draft)
        except SpoolError:
            self._counters.add(write_failures=1)
            return Status.OUT_OF_RESOURCES
        self.stored += 1
        self._association.progress()
        self._counters.add(instances=1, bytes=draft.length)
        return Status.SUCCESS

    def _report(self, request: Request, draft: Draft) -> Status:
        """Take the report of a procedure step."""
        context = self._association.contexts[self._context_id]
        receipt = StepReceipt(
            step_uid=request.sop_instance_uid,
            transfer_syntax_uid=context.transfer_syntax_uid,
            calling_ae=self._association.calling_ae,
            received_at=time.time(),
        )
        status = self._steps.take(request, receipt, draft)
        if status is Status.SUCCESS:
            self._association.progress()
        self._counters.add(
            steps=int(status is Status.SUCCESS), write_failures=int(status is Status.RESOURCE_LIMITATION)
        )
        return status

    def _answer(self, request: Request, status: Status) -> None:
        self._stream.write(encode_command(self._context_id, encode_response(request, status)))
