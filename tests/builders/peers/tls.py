"""Throw-away certificates by openssl: an authority, and whom it vouches for."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key, PEM."""

    certificate: Path
    key: Path


def authority(folder: Path, name: str = "authority") -> Identity:
    """A certificate that signs itself."""
    made = Identity(folder / f"{name}.pem", folder / f"{name}.key")
    _openssl("req", "-x509", *_key(made), "-out", made.certificate, "-subj", f"/CN={name}", "-days", "2")
    return made


def vouched(folder: Path, name: str, by: Identity, address: str = "IP:127.0.0.1") -> Identity:
    """A certificate for ``address``, signed by an authority."""
    made, request, extensions = Identity(folder / f"{name}.pem", folder / f"{name}.key"), folder / "csr", folder / "ext"
    extensions.write_text(f"subjectAltName={address}\n")
    _openssl("req", *_key(made), "-out", request, "-subj", f"/CN={name}")
    _openssl(
        "x509", "-req", "-in", request, "-CA", by.certificate, "-CAkey", by.key, "-CAcreateserial", "-days", "2",
        "-extfile", extensions, "-out", made.certificate,
    )  # fmt: skip
    return made


def _key(made: Identity) -> tuple[str | Path, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", made.key)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
