"""The Storage SCP: takes instances from scanners, and says so only when they are durable.

Verification, Storage and Modality Performed Procedure Step as SCP (PS3.4 annexes A, B and F) over TCP or TLS (PS3.8;
PS3.15 annex B). One thread accepts, one thread serves each connection.
"""

import errno
import resource
import socket
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from logging import DEBUG, INFO

import structlog

from daemon.core.errors import AssociationError, ConfigError, PeerLost, ProtocolError
from daemon.dicom.protocol.pdu import (
    CALLED_AE_UNKNOWN,
    CALLING_AE_UNKNOWN,
    LOCAL_LIMIT_EXCEEDED,
    RELEASE_RESPONSE,
    AbortReason,
    PduType,
    Rejection,
    encode_rejection,
)
from daemon.edge.receiving.admission import Admission, Connection, Limits
from daemon.edge.receiving.negotiation import Proposal, accept, decode_proposal, supported_contexts
from daemon.edge.receiving.pdu_stream import PDU_BYTES_MAX, PduStream
from daemon.edge.receiving.settings import ListenerSettings, tls_context
from daemon.edge.receiving.status import Counters, ListenerCounts
from daemon.edge.receiving.step_book import StepBook
from daemon.edge.receiving.storage_session import AssociationContext, StorageSession
from daemon.edge.spool.writer import SpoolWriter
from daemon.edge.supervisor import Loop, Supervisor

_BACKLOG = 512
_CLOSING_S = 10.0
_ACCEPT_RETRY_S = 1.0
_SWEEP_S = 1.0
_VICTIM_S = 1.0
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)
#: File descriptors: of an association (its socket, a large data set, the folder of a step), and of everything else.
_FILES_PER_ASSOCIATION, _FILES = 3, 40


class Listener:
    """Listens from its making until it is closed; ``scanners`` are calling AE titles that the site has named.

    Raises:
        ConfigError: the address cannot be bound, the TLS files cannot be used, or a limit is out of range.
        SpoolError: the book of procedure steps cannot be used.
    """

    def __init__(self, settings: ListenerSettings, writer: SpoolWriter, scanners: Collection[str] = ()) -> None:
        if settings.pdu_bytes_max > PDU_BYTES_MAX:
            raise ConfigError(f"pdu_bytes_max is above {PDU_BYTES_MAX}: lower it; 131072 is as fast as any")
        self._settings = settings
        self._writer = writer
        self._steps = StepBook(writer, settings.steps_max)
        self._counters = Counters()
        self._tls = tls_context(settings.tls) if settings.tls else None
        self._contexts = {enhanced: supported_contexts(enhanced=enhanced) for enhanced in (False, True)}
        self._admission = Admission(_limits(settings), settings.calling_ae_titles.union(scanners))
        self._closing = False
        self._supervisor = Supervisor(threading.Event())
        self._socket = _bound_socket(settings.host, settings.port)
        self._socket.settimeout(_SWEEP_S)
        self._thread = threading.Thread(target=self._accept_all, name="listener")
        self._thread.start()

    @property
    def port(self) -> int:
        """The TCP port, also where the settings left it to the system with 0."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def alive(self) -> bool:
        """Whether connections are being accepted."""
        return self._thread.is_alive()

    @property
    def counts(self) -> ListenerCounts:
        """What happened so far."""
        return self._counters.counts

    def close(self) -> None:
        """Accept no more, abort what is open after the instance it is storing, wait for the end of all."""
        self._closing = True
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        connections = self._admission.open()
        for connection in connections:
            with suppress(OSError):
                socket.socket.shutdown(connection.socket, socket.SHUT_RD)  # that of SSLSocket would go on in plain text
        end = time.monotonic() + _CLOSING_S
        for connection in connections:
            connection.wait(max(0.0, end - time.monotonic()))

    def _accept_all(self) -> None:
        swept = time.monotonic()
        while not self._closing:
            try:
                accepted, address = self._socket.accept()
            except TimeoutError:
                pass
            except OSError as error:
                self._accept_failed(error)
            else:
                self._supervisor.item(
                    Loop.RECEIVING, partial(self._admit, accepted, address[0]), lambda _: self._counters.add(faults=1)
                )
            if time.monotonic() - swept > _SWEEP_S:
                swept = time.monotonic()
                self._admission.sweep()

    def _accept_failed(self, error: OSError) -> None:
        """Out of descriptors: whoever only waits gives its own; else try again in a while."""
        if self._closing:
            return
        victim = self._admission.relieve() if error.errno in _NO_DESCRIPTOR else None
        self._see_off(victim)
        if victim is None:
            structlog.get_logger().error("accept_failed", error=error.strerror)
            time.sleep(_ACCEPT_RETRY_S)

    def _admit(self, accepted: socket.socket, address: str) -> None:
        """Give a connection its thread, or close it where it has no business here."""
        self._counters.add(connections=1)
        if not is_allowed(address, self._settings.networks):
            self._turn_away(accepted)
            return
        try:
            connection = Connection(self._prepared(accepted), address)
        except OSError:  # it has gone already
            self._turn_away(accepted)
            return
        self._see_off(self._admission.arrive(connection))
        try:
            connection.serve_by(self._serve)
        except RuntimeError:  # no thread can be started: the machine is at its end, this one has to wait
            self._admission.leave(connection)
            self._turn_away(connection.socket)

    def _see_off(self, victim: Connection | None) -> None:
        """Its thread and its descriptor are to be free before the next one comes."""
        if victim is not None:
            self._counters.add(turned_away=1)
            victim.wait(_VICTIM_S)

    def _turn_away(self, connection: socket.socket) -> None:
        self._counters.add(turned_away=1)
        connection.close()

    def _prepared(self, connection: socket.socket) -> socket.socket:
        """The connection as it is configured; a TLS handshake is left to its own thread."""
        if self._tls is None:
            return connection
        return self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def _serve(self, connection: Connection) -> None:
        def converse() -> None:
            with connection.socket:
                self._converse(connection)

        try:
            self._supervisor.item(Loop.RECEIVING, converse, lambda _: self._counters.add(faults=1))
        finally:
            self._admission.leave(connection)

    def _converse(self, connection: Connection) -> None:
        """One connection, to its end."""
        stream = PduStream(connection.socket, self._settings.request_timeout_s)
        try:
            stream.secure()
        except PeerLost as error:
            self._counters.add(turned_away=1)
            structlog.get_logger().warning("connection_refused", reason=str(error))
            return
        try:
            self._associate(connection, stream)
        except ProtocolError as error:
            stream.abort(error.abort_reason)
        except PeerLost:
            if self._closing:
                stream.abort(AbortReason.NOT_SPECIFIED)
        stream.finish()

    def _associate(self, connection: Connection, stream: PduStream) -> None:
        """Answer the request for an association; hold it if it is to be."""
        pdu_type, body = stream.read()
        if pdu_type != PduType.ASSOCIATE_REQUEST:
            raise ProtocolError("the first PDU was no association request", AbortReason.UNEXPECTED_PDU)
        proposal = decode_proposal(body)
        rejection = self._rejection(proposal)
        if rejection is None and not self._admission.associate(connection, proposal.calling_ae):
            rejection = LOCAL_LIMIT_EXCEEDED
        if rejection is not None:
            self._counters.add(rejected=1)
            structlog.get_logger().warning(
                "association_rejected", calling_ae=proposal.calling_ae, called_ae=proposal.called_ae, code=rejection
            )
            stream.write(encode_rejection(rejection))
            return
        try:
            self._hold(connection, stream, proposal)
        finally:
            self._admission.retire(connection)

    def _rejection(self, proposal: Proposal) -> Rejection | None:
        """Why this peer gets no association; None where it does."""
        allowed = self._settings.calling_ae_titles
        if proposal.called_ae != self._settings.ae_title:
            return CALLED_AE_UNKNOWN
        if allowed and proposal.calling_ae not in allowed:
            return CALLING_AE_UNKNOWN
        if not self._writer.has_room():
            structlog.get_logger().error("disk_low")
            return LOCAL_LIMIT_EXCEEDED
        return None

    def _hold(self, connection: Connection, stream: PduStream, proposal: Proposal) -> None:
        """Accept the association and serve it to its end."""
        enhanced = proposal.calling_ae not in self._settings.classic_only
        acceptance = accept(proposal, self._contexts[enhanced], self._settings.pdu_bytes_max)
        association = AssociationContext(
            calling_ae=proposal.calling_ae,
            called_ae=proposal.called_ae,
            contexts=acceptance.contexts,
            object_bytes_max=self._settings.object_bytes_max,
            progress=connection.progress,
        )
        session = StorageSession(stream, association, self._writer, self._steps, self._counters)
        log = structlog.get_logger().bind(calling_ae=proposal.calling_ae)
        self._counters.add(accepted=1, active=1)
        try:
            stream.write(acceptance.pdu)
            stream.set_timeout(self._settings.network_timeout_s)
            session.run()
        except AssociationError as error:
            self._counters.add(aborted=1)
            log.warning("association_aborted", instances=session.stored, reason=connection.dropped or str(error))
            raise
        finally:
            self._counters.add(active=-1)
        self._counters.add(released=1)
        # Archives and monitors echo every few seconds: what only echoed is not worth a line.
        log.log(INFO if session.stored else DEBUG, "association_released", instances=session.stored)
        stream.write(RELEASE_RESPONSE)


def is_allowed(address: str, networks: Collection[IPv4Network | IPv6Network]) -> bool:
    """Whether an address lies in one of the networks; an empty list allows all."""
    peer: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(peer, IPv6Address) and peer.ipv4_mapped:
        peer = peer.ipv4_mapped
    return not networks or any(peer in network for network in networks)


def _limits(settings: ListenerSettings) -> Limits:
    """What may be open at once: as configured, and no more than there are file descriptors for."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = files - _FILES - _FILES_PER_ASSOCIATION * settings.associations_max
    return Limits(
        waiting=min(settings.connections_waiting_max, max(4, spare)),
        associations=settings.associations_max,
        reserved=settings.associations_reserved,
        per_peer=settings.associations_per_peer,
        idle_s=settings.idle_s,
        idle_limit_s=settings.idle_limit_s,
        request_s=settings.request_timeout_s,
    )


def _bound_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"the receiver cannot listen on {host} port {port} ({error.strerror}): choose another"
        ) from error
