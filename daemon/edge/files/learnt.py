"""What a site has learnt of one bundle, in a file: written by ``scanside calibrate``, read by the judge."""

import json
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import structlog
from cattrs import BaseValidationError, Converter

from daemon.core.errors import ConfigError
from daemon.core.judging.own_past import Values
from daemon.edge.durable import write_whole
from daemon.edge.files.standing import StandingFile
from models.bundle import Bundle

_log = structlog.get_logger()
_FORMAT = 1
_CONVERTER = Converter(forbid_extra_keys=True)
_CONVERTER.register_structure_hook_func(lambda kind: kind == Values, lambda values, _: tuple(values))


class Learnt(Protocol):
    """What the command ``LEARNT_BY`` writes."""

    LEARNT_BY: ClassVar[str]

    @property
    def bundle(self) -> str:
        """Digest of the one that judged."""

    @property
    def cells(self) -> tuple[Any, ...]:
        """What was learnt of each scanner and protocol."""


_Learnt = TypeVar("_Learnt", bound=Learnt)


def harm_file(storage: Path, bundle: str) -> Path:
    """Where lies what images of the site's protocols lose, learnt for one of its bundles."""
    return storage / f"harm-{bundle}.json"


def artefacts_file(storage: Path, bundle: str) -> Path:
    """Where lies how artefacts look in the site's protocols, learnt for one of its bundles."""
    return storage / f"artefacts-{bundle}.json"


def write_learnt(path: Path, learnt: Learnt) -> None:
    """Write the file, whole or not at all.

    Raises:
        ConfigError: the folder cannot be written.
    """
    try:
        write_whole(path, (json.dumps({"format": _FORMAT, **_CONVERTER.unstructure(learnt)}, indent=1) + "\n").encode())
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; run this as the daemon's user") from error


def load_learnt(path: Path, kind: type[_Learnt], bundle: Bundle) -> _Learnt | None:
    """What a file holds; None where there is no file.

    Raises:
        ConfigError: it cannot be read, is damaged or of another format, or another bundle's.
    """
    again = f"run {kind.LEARNT_BY} again"
    try:
        content = json.loads(path.read_bytes())
        if content.pop("format") != _FORMAT:
            raise ConfigError(f"{path} is of another format: {again}")
        learnt = _CONVERTER.structure(content, kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; let the daemon's user read it") from error
    except (BaseValidationError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path} is damaged ({type(error).__name__}): {again}") from error
    if learnt.bundle != bundle.digest:
        raise ConfigError(f"{path} was learnt with another bundle: {again}")
    return learnt


class LearntOfSite(Generic[_Learnt]):
    """The file as it stands now: a new one is taken up with the next series, without a restart.

    A file that cannot be used is said once, and done without until there is a better one.
    """

    def __init__(self, path: Path, kind: type[_Learnt], bundle: Bundle) -> None:
        self._path, self._kind, self._bundle = path, kind, bundle
        self._file = StandingFile(path, self._load)

    def value(self) -> _Learnt | None:
        """What the site has learnt; None where it has not, or not with this bundle."""
        return self._file.value()

    def _load(self) -> _Learnt | None:
        try:
            learnt = load_learnt(self._path, self._kind, self._bundle)
        except ConfigError as error:
            _log.warning("learnt_unusable", detail=str(error))
            return None
        _log.info("learnt_loaded", bundle=self._bundle.manifest.name, records=len(learnt.cells) if learnt else 0)
        return learnt
