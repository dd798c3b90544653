"""Destinations as the configuration names them, one class a kind, and what is made of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from daemon.core.bounds import AeTitle, Distinct, Host, Name, NotEmpty, Port, Range, Timeout, Url
from daemon.core.ports import Destination
from daemon.core.sending.delivery import JUDGED
from daemon.core.values import ReportKind, ReportObject, State
from daemon.dicom.report.recoding import recoded, syntaxes_for
from daemon.edge.delivery.dicom import Peer, StorageScu
from daemon.edge.delivery.folder import DropFolder, FolderWriter
from daemon.edge.delivery.stow import StowClient, WebArchive
from daemon.edge.tls import TlsSettings

_BOTH = (ReportKind.SUMMARY, ReportKind.SR)
_WEEK_S = 7 * 86400.0
Kinds = Annotated[tuple[ReportKind, ...], NotEmpty(), Distinct()]
Verdicts = Annotated[tuple[State, ...], NotEmpty(), Distinct()]


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomOutlet:
    """``kind = "dicom"``: a peer that takes C-STORE.

    ``objects``: which kinds of object it gets; ``verdicts``: of series with which verdicts; ``retry_for_s``: how old
    what it owes an answer for may become before it is parked; ``tls``: without it the connection is plain;
    ``commitment``: ask it to commit what it stored; ``compressed``: offer it pictures in JPEG-LS and RLE, too.
    """

    name: Name
    host: Host
    port: Port
    ae_title: AeTitle
    objects: Kinds = _BOTH
    verdicts: Verdicts = JUDGED
    compressed: bool = True
    timeout_s: Timeout = 30.0
    retry_for_s: Annotated[float, Range(1, 366 * 86_400)] = _WEEK_S
    tls: TlsSettings | None = None
    commitment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StowOutlet:
    """``kind = "stow"``: a DICOMweb service; ``url`` is its root, above ``studies``.

    ``compressed``: it gets pictures in JPEG-LS; nothing is negotiated by STOW-RS.
    """

    name: Name
    url: Annotated[str, Url(("http", "https"))]
    authorization_file: Path | None = None
    objects: Kinds = _BOTH
    verdicts: Verdicts = JUDGED
    compressed: bool = False
    timeout_s: Timeout = 30.0
    retry_for_s: Annotated[float, Range(1, 366 * 86_400)] = _WEEK_S
    tls: TlsSettings = field(default_factory=TlsSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderOutlet:
    """``kind = "folder"``: an existing folder that other software watches; ``compressed``: pictures in JPEG-LS."""

    name: Name
    path: Path
    objects: Kinds = _BOTH
    verdicts: Verdicts = JUDGED
    compressed: bool = False
    retry_for_s: Annotated[float, Range(1, 366 * 86_400)] = _WEEK_S


Outlet = DicomOutlet | StowOutlet | FolderOutlet
OUTLETS: Mapping[str, type[Outlet]] = {"dicom": DicomOutlet, "stow": StowOutlet, "folder": FolderOutlet}


def make_destination(outlet: Outlet, calling_ae: str) -> Destination:
    """What delivers there.

    Raises:
        ConfigError: a certificate or key cannot be used.
    """
    match outlet:
        case DicomOutlet():
            return StorageScu(peer_of(outlet, calling_ae))
        case StowOutlet():
            return _encoded_for(outlet, StowClient(web_archive(outlet)))
        case FolderOutlet():
            return _encoded_for(outlet, FolderWriter(DropFolder(name=outlet.name, path=outlet.path)))


def _encoded_for(outlet: StowOutlet | FolderOutlet, destination: Destination) -> Destination:
    return destination if outlet.compressed else Uncompressed(destination)


class Uncompressed:
    """Delivers to a destination that is not known to read compressed pictures."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    @property
    def name(self) -> str:
        """How the configuration calls it."""
        return self._destination.name

    def deliver(self, report_object: ReportObject) -> str:
        """Deliver one object with its picture uncompressed; raises what the destination raises."""
        plain = recoded(report_object.payload, syntaxes_for(report_object.payload)[-1])
        return self._destination.deliver(replace(report_object, payload=plain))


def peer_of(outlet: DicomOutlet, calling_ae: str) -> Peer:
    """The DICOM node behind an outlet."""
    return Peer(
        name=outlet.name,
        host=outlet.host,
        port=outlet.port,
        ae_title=outlet.ae_title,
        calling_ae=calling_ae,
        timeout_s=outlet.timeout_s,
        tls=outlet.tls,
        compressed=outlet.compressed,
    )


def web_archive(outlet: StowOutlet) -> WebArchive:
    """The DICOMweb service behind an outlet."""
    return WebArchive(
        name=outlet.name,
        url=outlet.url,
        authorization_file=outlet.authorization_file,
        timeout_s=outlet.timeout_s,
        tls=outlet.tls,
    )
