"""TLS towards a destination: BCP 195 (PS3.15 B.12), the peer's certificate checked, ours shown where one is given."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from daemon.core.bounds import HostName
from daemon.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """Whom to trust and who we are.

    ``ca_file``: PEM of the authorities to trust, the system's own without it; ``certificate_file`` and ``key_file``:
    ours, for peers that want to know (mutual TLS); ``server_name``: the name in the peer's certificate where that is
    not the host's.
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    server_name: Annotated[str, HostName(optional=True)] = ""


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """A context that checks the peer's certificate and name, TLS 1.2 at least.

    Raises:
        ConfigError: a file is missing, or no certificate or key.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.certificate_file is not None:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    except OSError as error:  # ssl.SSLError is one
        files = (settings.ca_file, settings.certificate_file, settings.key_file)
        names = ", ".join(str(file) for file in files if file is not None)
        raise ConfigError(f"TLS cannot be set up with {names}: give readable PEM files ({error.strerror})") from error
    return context
