"""scanside.toml -> frozen settings: an unknown key is an error that names it; every setting has a default."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar

import tomli
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn
from cattrs.v import format_exception

from daemon.core.completion import Patience
from daemon.core.errors import ConfigError
from daemon.core.retention import Retention
from daemon.core.routing import Condition, Route, faults
from daemon.core.rule import Rule
from daemon.core.values import ReportKind
from daemon.edge.commitment import CommitmentSettings
from daemon.edge.engine import EngineSettings
from daemon.edge.listener import ListenerSettings
from daemon.edge.outlets import OUTLETS, Outlet
from daemon.edge.spool_writer import SpoolSettings

_T = TypeVar("_T")

#: The bundle that ships, and whose folder ``bundle`` names; the default routes go to it.
SHIPPED = "brain-t1"


def default_storage() -> Path:
    """Where everything is kept unless the configuration says otherwise: $XDG_DATA_HOME/scanside."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "scanside"


def shipped_bundle() -> Path:
    """The brain bundle that comes with the software."""
    return Path(__file__).resolve().parent.parent / "models" / "zoo" / SHIPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """How much the spool may take; the fields of SpoolSettings but for its folder."""

    segment_bytes: int = 128 << 20
    memory_bytes: int = 16 << 20
    free_bytes_min: int = 5 * 10**9
    used_fraction_max: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """The live page and the metrics; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 8112


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """Whom to alert about a RESCAN: apprise URLs, and the page's address as the reader reaches it."""

    urls: tuple[str, ...] = ()
    page: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgementSettings:
    """When a measure is abnormal: by its conformal p-value, or by the interquartile range, as in the papers."""

    rule: Rule = Rule.CONFORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingSettings:
    """Which bundle a series gets: the site's own ``routes``, then, unless it has none of them, the ``defaults``."""

    routes: tuple[Route, ...] = ()
    defaults: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSettings:
    """``silence_s``: after how many seconds without a sign of life a worker is lost, and others take its series.

    ``judging_s``: a process that judges one series for longer hangs, and ends; after three such ends the series is
    NOT_ASSESSED.
    """

    silence_s: float = 30.0
    judging_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration.

    ``bundle``: folder of the bundle called brain-t1; ``bundles``: name -> folder of further ones. ``scanners``: calling
    AE title -> alias for page, logs and metrics; ``station``: how reports name this host; ``database``: a PostgreSQL
    URL, or nothing for SQLite in the storage folder.
    """

    storage: Path = field(default_factory=default_storage)
    bundle: Path = field(default_factory=shipped_bundle)
    bundles: Mapping[str, Path] = field(default_factory=dict)
    log_level: str = "info"
    station: str = "scanside"
    database: str = ""
    work: WorkSettings = field(default_factory=WorkSettings)
    commitment: CommitmentSettings = field(default_factory=CommitmentSettings)
    scanners: Mapping[str, str] = field(default_factory=dict)
    dicom: ListenerSettings = field(default_factory=ListenerSettings)
    spool: SpoolLimits = field(default_factory=SpoolLimits)
    retention: Retention = field(default_factory=Retention)
    completion: Patience = field(default_factory=Patience)
    routing: RoutingSettings = field(default_factory=RoutingSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    judgement: JudgementSettings = field(default_factory=JudgementSettings)
    web: WebSettings = field(default_factory=WebSettings)
    destinations: tuple[Outlet, ...] = ()
    alerts: AlertSettings = field(default_factory=AlertSettings)

    @property
    def spool_settings(self) -> SpoolSettings:
        """The spool in the storage folder."""
        return SpoolSettings(folder=self.storage / "spool", **asdict(self.spool))

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
    def references(self) -> Path:
        """The site's own references for the shipped bundle."""
        return self.references_of(SHIPPED)

    def references_of(self, bundle: str) -> Path:
        """The site's own references for one of its bundles."""
        return self.storage / ("references.json" if bundle == SHIPPED else f"references-{bundle}.json")

    @property
    def bundle_folders(self) -> Mapping[str, Path]:
        """Every bundle that a route may name, and its folder."""
        return {SHIPPED: self.bundle, **self.bundles}

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every route, in the order in which they are tried."""
        return (*self.routing.routes, *(default_routes() if self.routing.defaults else ()))

    @property
    def site_key(self) -> Path:
        """The secret under which UIDs become tokens."""
        return self.storage / "site.key"

    @property
    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 of the settings that can change a number or a verdict."""
        routes = [asdict(route) for route in self.routes]
        deciding = sorted((asdict(self.engine) | {"rule": self.judgement.rule.value, "routes": routes}).items())
        return hashlib.sha256(repr(deciding).encode()).hexdigest()[:12]


def load_settings(path: Path | None) -> Settings:
    """Read a TOML file; the defaults where ``path`` is None.

    Raises:
        ConfigError: the file is missing, not TOML, or has an unknown key or a value of the wrong type.
    """
    if path is None:
        return Settings()
    settings = _structure(_content(path), Settings, path)
    wrong = list(faults(settings.routes, tuple(settings.bundle_folders)))
    wrong += [f"bundle name '{name}' is no plain name" for name in settings.bundles if not _BUNDLE_NAME.fullmatch(name)]
    names = [outlet.name for outlet in settings.destinations]
    if len(set(names)) < len(names):
        wrong.append(f"two destinations have one name among {', '.join(names)}: name each differently")
    if wrong:
        raise ConfigError(f"{path}: {'; '.join(wrong)}")
    return settings


@cache
def default_routes() -> tuple[Route, ...]:
    """The routes that ship: T1-weighted heads to brain-t1, everything else answered with its reason."""
    path = Path(__file__).with_name("routes.toml")
    return _structure(_content(path), RoutingSettings, path).routes


def _content(path: Path) -> dict[str, Any]:
    try:
        return tomli.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; give an existing file with --config") from error
    except ValueError as error:  # not UTF-8, or not TOML
        raise ConfigError(f"{path} is not TOML ({error}): mend the line it names") from error


def _structure(content: dict[str, Any], wanted: type[_T], path: Path) -> _T:
    try:
        return _CONVERTER.structure(content, wanted)
    except BaseValidationError as error:
        raise ConfigError(f"{path}: {'; '.join(transform_error(error, format_exception=_words))}") from error


def _words(error: BaseException, wanted: type | None) -> str:
    return str(error) if isinstance(error, ConfigError) else format_exception(error, wanted)


def _rule(value: object) -> Rule:
    if not isinstance(value, str) or value not in [*Rule]:
        raise ConfigError(f"rule {value!r} is not known, write {' or '.join(Rule)}")
    return Rule(value)


def _condition(value: object) -> Condition:
    """A condition as a site writes it: a word or a list of words is ``any``, a number what the fact must be."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Condition(min=float(value), max=float(value))
    table = dict(value) if isinstance(value, dict) else {"any": value}
    for key in ("any", "none"):
        words = table.get(key, ())
        listed = [words] if isinstance(words, str) else words
        if not isinstance(listed, list | tuple) or any(not isinstance(word, str) for word in listed):
            raise ConfigError(f"condition {value!r}: write a word, a list of words, a number or a table")
        table[key] = listed
    return _STRUCTURE_CONDITION(table, Condition)


def _kind(value: object) -> ReportKind:
    if not isinstance(value, str) or value not in [*ReportKind]:
        raise ConfigError(f"object {value!r} is not known, write {' or '.join(ReportKind)}")
    return ReportKind(value)


def _outlet(value: object) -> Outlet:
    content = dict(value) if isinstance(value, dict) else {}
    kind = content.pop("kind", "dicom")
    if kind not in OUTLETS:
        raise ConfigError(f"kind {kind!r} of a destination is not known, write {' or '.join(OUTLETS)}")
    return _CONVERTER.structure(content, OUTLETS[kind])


_BUNDLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CONVERTER = Converter(forbid_extra_keys=True)
_STRUCTURE_CONDITION = make_dict_structure_fn(Condition, _CONVERTER, _cattrs_forbid_extra_keys=True)
_CONVERTER.register_structure_hook(Condition, lambda value, _: _condition(value))
_CONVERTER.register_structure_hook(Path, lambda value, _: Path(value).expanduser())
_CONVERTER.register_structure_hook(IPv4Network | IPv6Network, lambda value, _: ip_network(value))
_CONVERTER.register_structure_hook(Rule, lambda value, _: _rule(value))
_CONVERTER.register_structure_hook(ReportKind, lambda value, _: _kind(value))
_CONVERTER.register_structure_hook_func(lambda wanted: wanted == Outlet, lambda value, _: _outlet(value))
