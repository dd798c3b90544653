"""The Storage SCP: takes instances from scanners, and says so only when they are durable.

Verification, Storage and Modality Performed Procedure Step as SCP (PS3.4 annexes A, B and F) over TCP or TLS (PS3.8;
PS3.15 annex B). One thread accepts, one thread serves each connection.
"""

import socket
import ssl
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from logging import DEBUG, INFO
from pathlib import Path
from typing import Annotated

import structlog

from daemon.core.bounds import AeTitle, FreePort, Host, Range, Timeout
from daemon.core.errors import AssociationError, ConfigError, PeerLost, ProtocolError
from daemon.dicom.pdu import (
    CALLED_AE_UNKNOWN,
    CALLING_AE_UNKNOWN,
    LOCAL_LIMIT_EXCEEDED,
    RELEASE_RESPONSE,
    AbortReason,
    PduType,
    Rejection,
    encode_rejection,
)
from daemon.edge.negotiation import Proposal, accept, decode_proposal, supported_contexts
from daemon.edge.pdu_stream import PDU_BYTES_MAX, PduStream
from daemon.edge.receiver_status import ListenerCounts, Tally
from daemon.edge.spool_writer import SpoolWriter
from daemon.edge.step_book import StepBook
from daemon.edge.storage_session import Parties, StorageSession
from daemon.edge.supervisor import Loop, Supervisor

_BACKLOG = 128
_CONNECTIONS_PER_ASSOCIATION = 2  # the rest may be health checks, port scans and peers still to be refused
_CLOSING_S = 10.0
_ACCEPT_RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """PEM files of our certificate and key; with ``ca_file`` a client must show a certificate that it signed."""

    certificate_file: Path
    key_file: Path
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """How the receiver is reached, and by whom.

    Empty allow-lists allow all. ``classic_only`` names calling AEs that are to send classic single-frame images: they
    are not offered multi-frame MR. ``request_timeout_s`` bounds the time until an association is requested, and
    ``network_timeout_s`` the silence in an association.
    """

    ae_title: AeTitle = "SCANSIDE"
    host: Host = "0.0.0.0"  # noqa: S104 - the scanner is another machine
    port: FreePort = 11112
    calling_ae_titles: frozenset[AeTitle] = frozenset()
    classic_only: frozenset[AeTitle] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    associations_max: Annotated[int, Range(1, 1000)] = 25
    pdu_bytes_max: Annotated[int, Range(4096, PDU_BYTES_MAX)] = 128 << 10
    object_bytes_max: Annotated[int, Range(1 << 16, 1 << 36)] = 2 << 30
    request_timeout_s: Timeout = 30.0
    network_timeout_s: Timeout = 60.0
    tls: TlsSettings | None = None


class Listener:
    """Listens from its making until it is closed.

    Raises:
        ConfigError: the address cannot be bound, the TLS files cannot be used, or a limit is out of range.
        SpoolError: the book of procedure steps cannot be used.
    """

    def __init__(self, settings: ListenerSettings, writer: SpoolWriter) -> None:
        if settings.pdu_bytes_max > PDU_BYTES_MAX:
            raise ConfigError(f"pdu_bytes_max is above {PDU_BYTES_MAX}: lower it; 131072 is as fast as any")
        self._settings = settings
        self._writer = writer
        self._steps = StepBook(writer)
        self._tally = Tally()
        self._tls = tls_context(settings.tls) if settings.tls else None
        self._contexts = {enhanced: supported_contexts(enhanced=enhanced) for enhanced in (False, True)}
        self._associations = threading.BoundedSemaphore(settings.associations_max)
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._closing = False
        self._supervisor = Supervisor(threading.Event())
        self._socket = _bound_socket(settings.host, settings.port)
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
        return self._tally.counts

    def close(self) -> None:
        """Accept no more, abort what is open after the instance it is storing, wait for the end of all."""
        self._closing = True
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RD)  # that of SSLSocket would go on in plain text
        for thread in connections.values():
            thread.join(_CLOSING_S)

    def _accept_all(self) -> None:
        while not self._closing:
            try:
                connection, address = self._socket.accept()
            except OSError as error:
                if not self._closing:
                    structlog.get_logger().error("accept_failed", error=error.strerror)
                    time.sleep(_ACCEPT_RETRY_S)
            else:
                self._admit(connection, address[0])

    def _admit(self, connection: socket.socket, address: str) -> None:
        """Give a connection its thread, or close it: it has no business here, or there are too many."""
        self._tally.add(connections=1)
        try:
            connection = self._prepared(connection)
        except OSError:  # it has gone already
            self._tally.add(turned_away=1)
            return
        thread = threading.Thread(target=self._serve, args=(connection,), name="association", daemon=True)
        with self._lock:
            room = len(self._connections) < self._settings.associations_max * _CONNECTIONS_PER_ASSOCIATION
            if not room or not is_allowed(address, self._settings.networks):
                self._tally.add(turned_away=1)
                connection.close()
                return
            self._connections[connection] = thread
        thread.start()

    def _prepared(self, connection: socket.socket) -> socket.socket:
        """The connection as it is configured; a TLS handshake is left to its own thread."""
        if self._tls is None:
            return connection
        return self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def _serve(self, connection: socket.socket) -> None:
        def converse() -> None:
            with connection:
                self._converse(connection)

        try:
            self._supervisor.item(Loop.RECEIVING, converse, lambda _: self._tally.add(faults=1))
        finally:
            with self._lock:
                del self._connections[connection]

    def _converse(self, connection: socket.socket) -> None:
        """One connection, to its end."""
        stream = PduStream(connection, self._settings.request_timeout_s)
        try:
            stream.secure()
        except PeerLost as error:
            self._tally.add(turned_away=1)
            structlog.get_logger().warning("connection_refused", reason=str(error))
            return
        try:
            self._associate(stream)
        except ProtocolError as error:
            stream.abort(error.abort_reason)
        except PeerLost:
            if self._closing:
                stream.abort(AbortReason.NOT_SPECIFIED)
        stream.finish()

    def _associate(self, stream: PduStream) -> None:
        """Answer the request for an association; hold it if it is to be."""
        pdu_type, body = stream.read()
        if pdu_type != PduType.ASSOCIATE_REQUEST:
            raise ProtocolError("the first PDU was no association request", AbortReason.UNEXPECTED_PDU)
        proposal = decode_proposal(body)
        rejection = self._rejection(proposal)
        if rejection is None and not self._associations.acquire(blocking=False):
            rejection = LOCAL_LIMIT_EXCEEDED
        if rejection is not None:
            self._tally.add(rejected=1)
            structlog.get_logger().warning(
                "association_rejected", calling_ae=proposal.calling_ae, called_ae=proposal.called_ae, code=rejection
            )
            stream.write(encode_rejection(rejection))
            return
        try:
            self._hold(stream, proposal)
        finally:
            self._associations.release()

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

    def _hold(self, stream: PduStream, proposal: Proposal) -> None:
        """Accept the association and serve it to its end."""
        enhanced = proposal.calling_ae not in self._settings.classic_only
        acceptance = accept(proposal, self._contexts[enhanced], self._settings.pdu_bytes_max)
        parties = Parties(
            calling_ae=proposal.calling_ae,
            called_ae=proposal.called_ae,
            contexts=acceptance.contexts,
            object_bytes_max=self._settings.object_bytes_max,
        )
        session = StorageSession(stream, parties, self._writer, self._steps, self._tally)
        log = structlog.get_logger().bind(calling_ae=proposal.calling_ae)
        self._tally.add(accepted=1, active=1)
        try:
            stream.write(acceptance.pdu)
            stream.set_timeout(self._settings.network_timeout_s)
            session.run()
        except AssociationError as error:
            self._tally.add(aborted=1)
            log.warning("association_aborted", instances=session.stored, reason=str(error))
            raise
        finally:
            self._tally.add(active=-1)
        self._tally.add(released=1)
        # Archives and monitors echo every few seconds: what only echoed is not worth a line.
        log.log(INFO if session.stored else DEBUG, "association_released", instances=session.stored)
        stream.write(RELEASE_RESPONSE)


def is_allowed(address: str, networks: Collection[IPv4Network | IPv6Network]) -> bool:
    """Whether an address lies in one of the networks; an empty list allows all."""
    peer: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(peer, IPv6Address) and peer.ipv4_mapped:
        peer = peer.ipv4_mapped
    return not networks or any(peer in network for network in networks)


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """TLS 1.2 or newer (PS3.15 B.12, RFC 9325).

    Raises:
        ConfigError: a file is missing or is not what it should be.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate_file, settings.key_file)
        if settings.ca_file:
            context.load_verify_locations(settings.ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise ConfigError(f"the TLS files of the receiver cannot be used ({error}): check their paths") from error
    return context


def _bound_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"the receiver cannot listen on {host} port {port} ({error.strerror}): choose another"
        ) from error
