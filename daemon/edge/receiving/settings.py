"""What the receiver's listener can be told."""

import ssl
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from daemon.core.bounds import AeTitle, FreePort, Host, Range, Timeout
from daemon.core.errors import ConfigError
from daemon.edge.receiving.pdu_stream import PDU_BYTES_MAX


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

    Of ``associations_max``, ``associations_reserved`` are for calling AEs that the site has configured (``scanners``,
    ``calling_ae_titles``), if there are any; one peer, a configured AE or an address, gets ``associations_per_peer``.
    An association that has stored nothing for ``idle_s``, echoes or not, goes when another needs its place, and in any
    case after ``idle_limit_s``. ``connections_waiting_max`` connections may have no association yet, or no longer;
    then the oldest goes. The book knows ``steps_max`` procedure steps.
    """

    ae_title: AeTitle = "SCANSIDE"
    host: Host = "0.0.0.0"  # noqa: S104 - the scanner is another machine
    port: FreePort = 11112
    calling_ae_titles: frozenset[AeTitle] = frozenset()
    classic_only: frozenset[AeTitle] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    associations_max: Annotated[int, Range(1, 1000)] = 25
    associations_reserved: Annotated[int, Range(0, 1000)] = 5
    associations_per_peer: Annotated[int, Range(1, 1000)] = 12
    connections_waiting_max: Annotated[int, Range(4, 10_000)] = 100
    idle_s: Timeout = 15.0
    idle_limit_s: Timeout = 300.0
    steps_max: Annotated[int, Range(10, 1_000_000)] = 10_000
    pdu_bytes_max: Annotated[int, Range(4096, PDU_BYTES_MAX)] = 128 << 10
    object_bytes_max: Annotated[int, Range(1 << 16, 1 << 36)] = 2 << 30
    request_timeout_s: Timeout = 30.0
    network_timeout_s: Timeout = 60.0
    tls: TlsSettings | None = None


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
