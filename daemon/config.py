"""scanside.toml -> frozen settings: an unknown key is an error that names it; every setting has a default."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar
from urllib.parse import urlsplit

import tomli

from daemon.core.bounds import AeTitle, Name, OneOf, PlainName, Range, Url
from daemon.core.errors import ConfigError
from daemon.core.judging.routing import Route, faults
from daemon.core.judging.rule import JudgementSettings
from daemon.core.mode import Mode
from daemon.core.people.access import AccessSettings
from daemon.core.people.exams import PatientHint
from daemon.core.people.words import Language
from daemon.core.reception.completion import Patience
from daemon.core.reception.retention import Retention
from daemon.core.sending.alert_settings import AlertSettings
from daemon.edge.delivery.commitment import CommitmentSettings
from daemon.edge.delivery.outlets import DicomOutlet, Outlet
from daemon.edge.engines import EngineSettings, default_engine, kind_of
from daemon.edge.receiving.settings import ListenerSettings
from daemon.edge.spool.writer import SpoolSettings
from daemon.edge.telemetry.logs import LEVELS
from daemon.edge.web.settings import WebSettings
from daemon.structuring import structure
from models.bundle import MANIFEST

_T = TypeVar("_T")

_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound


def default_storage() -> Path:
    """Where everything is kept unless the configuration says otherwise: $XDG_DATA_HOME/scanside.

    A user without a home, as in a container, keeps it where services do.
    """
    try:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    except RuntimeError:
        base = Path("/var/lib")
    return base / "scanside"


def shipped_bundles() -> dict[str, Path]:
    """The bundles that come with the software: name -> folder."""
    return _bundles("zoo")


def optional_bundles() -> dict[str, Path]:
    """Those that come with it and judge only where a site names them."""
    return _bundles("research")


def _bundles(shelf: str) -> dict[str, Path]:
    folder = Path(__file__).resolve().parent.parent / "models" / shelf
    return {manifest.parent.name: manifest.parent for manifest in sorted(folder.glob(f"*/{MANIFEST}"))}


class Listening(Protocol):
    """Where something of ours listens."""

    @property
    def host(self) -> str:
        """The address that it binds."""

    @property
    def port(self) -> int:
        """0 takes a free one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """How much the spool may take; the fields of SpoolSettings but for its folder."""

    segment_bytes: Annotated[int, Range(1000, 1 << 40)] = 128 << 20
    memory_bytes: Annotated[int, Range(1000, 1 << 36)] = 4 << 20
    free_bytes_min: Annotated[int, Range(0, 1 << 50)] = 5 * 10**9
    used_fraction_max: Annotated[float, Range(0.01, 1, "a share of the disk")] = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingSettings:
    """Which bundle a series gets: the site's own ``routes``, then, unless it has none of them, the ``defaults``.

    The defaults are what nobody judges, and what each bundle brings.
    """

    routes: tuple[Route, ...] = ()
    defaults: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSettings:
    """``silence_s``: after how many seconds without a sign of life a worker is lost, and others take its series.

    ``judging_s``: a process that gives one series more CPU seconds than that, or ten times as many of all seconds,
    hangs, and ends; after three such ends the series is NOT_ASSESSED.
    """

    silence_s: Annotated[float, Range(5, 3600)] = 30.0
    judging_s: Annotated[float, Range(1, 86_400)] = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration.

    ``bundles``: name -> folder, beside the ``shipped`` ones or in their place. ``scanners``: calling AE title -> alias
    for page, logs and metrics; ``mode``: live, or shadow, which judges and keeps, and shows and sends
    nothing; ``language``: of the page, alerts and reports; ``station``: how reports name this host; ``database``: a
    PostgreSQL URL, or nothing for SQLite in the storage folder.
    """

    storage: Path = field(default_factory=default_storage)
    shipped: bool = True
    bundles: Mapping[Annotated[str, PlainName()], Path] = field(default_factory=dict)
    log_level: Annotated[str, OneOf(LEVELS)] = "info"
    station: Name = "scanside"
    mode: Mode = Mode.LIVE
    language: Language = Language.ENGLISH
    database: Annotated[str, Url(("postgresql", "postgresql+psycopg", "sqlite"), optional=True, hosted=False)] = ""
    work: WorkSettings = field(default_factory=WorkSettings)
    commitment: CommitmentSettings = field(default_factory=CommitmentSettings)
    scanners: Mapping[AeTitle, Name] = field(default_factory=dict)
    dicom: ListenerSettings = field(default_factory=ListenerSettings)
    spool: SpoolLimits = field(default_factory=SpoolLimits)
    retention: Retention = field(default_factory=Retention)
    completion: Patience = field(default_factory=Patience)
    routing: RoutingSettings = field(default_factory=RoutingSettings)
    engine: EngineSettings = field(default_factory=default_engine)
    judgement: JudgementSettings = field(default_factory=JudgementSettings)
    web: WebSettings = field(default_factory=WebSettings)
    access: AccessSettings = field(default_factory=AccessSettings)
    destinations: tuple[Outlet, ...] = ()
    alerts: AlertSettings = field(default_factory=AlertSettings)

    @property
    def spool_settings(self) -> SpoolSettings:
        """The spool in the storage folder."""
        return SpoolSettings(folder=self.storage / "spool", **asdict(self.spool))

    @property
    def page(self) -> str:
        """Where people reach the live page."""
        return self.alerts.page or f"http://{self.web.host}:{self.web.port}/"

    @property
    def alerted(self) -> Mapping[str, float]:
        """Who is alerted to a RESCAN, so many seconds after its verdict each: nobody in shadow mode."""
        return {} if self.mode is Mode.SHADOW else self.alerts.targets

    @property
    def reports(self) -> Path:
        """Report objects and pictures."""
        return self.storage / "reports"

    @property
    def database_url(self) -> str:
        """Index, results and workflow state."""
        return self.database or f"sqlite:///{self.database_file}"

    @property
    def database_file(self) -> Path:
        """Where SQLite keeps them."""
        return self.storage / "scanside.sqlite"

    @property
    def compiled(self) -> Path:
        """What an engine compiles once for this host."""
        return self.storage / "compiled"

    def references_of(self, bundle: str) -> Path:
        """The site's own references for one of its bundles."""
        return self.storage / f"references-{bundle}.json"

    @property
    def bundle_folders(self) -> Mapping[str, Path]:
        """Every bundle that a route may name, and its folder."""
        return (shipped_bundles() if self.shipped else {}) | dict(self.bundles)

    @property
    def routes(self) -> tuple[Route, ...]:
        """The site's routes and what nobody judges, in the order in which they are tried, before those of bundles."""
        return (*self.routing.routes, *(default_routes() if self.routing.defaults else ()))

    @property
    def hosts(self) -> frozenset[str]:
        """By which names the page is reached from other machines."""
        page = urlsplit(self.alerts.page).hostname
        return frozenset({*self.web.hosts, *([page] if page else [])})

    @property
    def ports(self) -> Mapping[str, Listening]:
        """What listens, by the key of its port; for commitment only where a destination is asked for it."""
        asked = any(isinstance(outlet, DicomOutlet) and outlet.commitment for outlet in self.destinations)
        listening: dict[str, Listening] = {"dicom.port": self.dicom, "web.port": self.web}
        return listening | ({"commitment.port": self.commitment} if asked else {})

    @property
    def site_key(self) -> Path:
        """The secret under which UIDs become tokens."""
        return self.storage / "site.key"

    @property
    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 of the settings that can change a number or a verdict."""
        routes = [asdict(route) for route in self.routes]
        engine = asdict(self.engine) | {"kind": kind_of(self.engine)}
        deciding = sorted((engine | {"rule": self.judgement.rule.value, "routes": routes}).items())
        return hashlib.sha256(repr(deciding).encode()).hexdigest()[:12]


def load_settings(path: Path | None) -> Settings:
    """Read a TOML file; the defaults where ``path`` is None.

    Raises:
        ConfigError: the file is missing or not TOML, or a key is unknown, or a value of the wrong type, out of bounds
            or in contradiction to another; a line for each.
    """
    if path is None:
        return Settings()
    settings = _at(path, _content(path), Settings)
    if wrong := list(_contradictions(settings)):
        raise _wrong(path, wrong)
    return settings


@cache
def default_routes() -> tuple[Route, ...]:
    """What nobody judges."""
    path = Path(__file__).with_name("routes.toml")
    return _at(path, _content(path), RoutingSettings).routes


def _content(path: Path) -> dict[str, Any]:
    try:
        return tomli.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; give an existing file with --config") from error
    except ValueError as error:  # not UTF-8, or not TOML
        raise ConfigError(f"{path} is not TOML ({error}): mend the line it names") from error


def _at(path: Path, content: Mapping[str, Any], wanted: type[_T]) -> _T:
    try:
        return structure(content, wanted)
    except ConfigError as error:
        raise _wrong(path, str(error).splitlines()) from error


def _wrong(path: Path, failures: Sequence[str]) -> ConfigError:
    return ConfigError(f"{path}: " + "\n  ".join(failures if len(failures) == 1 else ["mend all of these:", *failures]))


def _contradictions(settings: Settings) -> Iterator[str]:
    """What no field can know by itself."""
    yield from faults(settings.routes, tuple(settings.bundle_folders))
    names = [outlet.name for outlet in settings.destinations]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"destinations: two have one name, '{name}': name each differently"
    if settings.web.host in _EVERYWHERE and not settings.hosts:
        yield "web.hosts: empty, while web.host is every address: list the names and addresses that people use"
    if settings.access.proxy_header and not settings.access.proxies:
        yield "access.proxies: empty, while access.proxy_header is set: list the addresses of your proxies"
    yield from _alerting_contradictions(settings)
    for (key, one), (other_key, other) in combinations(settings.ports.items(), 2):
        if one.port == other.port != 0 and _meet(one.host, other.host):
            yield f"{other_key} is {other.port}, as {key} is: give each a port of its own"


def _alerting_contradictions(settings: Settings) -> Iterator[str]:
    alerts = settings.alerts
    if alerts.templates.name("patient") and settings.web.patient is PatientHint.NONE:
        yield "alerts.templates: one names {patient}, while web.patient is none: write what may be said of a patient"
    if alerts.escalate_urls and alerts.escalate_after_s >= alerts.expire_s:
        yield "alerts.escalate_after_s: an alert expires before, at alerts.expire_s: write less"


def _meet(host: str, other: str) -> bool:
    """Whether one port cannot be had on both: on one address, or on all of them."""
    return host == other or not _EVERYWHERE.isdisjoint({host, other})
