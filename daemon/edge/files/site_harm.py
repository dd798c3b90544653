"""harm-NAME.json and the trials that it was fitted on: written by ``scanside calibrate --harm``, read by the judge."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog
from cattrs import BaseValidationError, Converter

from daemon.core.errors import ConfigError
from daemon.core.judging.reference import Origin
from daemon.core.judging.site_harm import SiteHarm
from daemon.edge.durable import write_whole
from daemon.edge.files.standing import StandingFile
from models.bundle import Bundle
from models.statistics.harm import Harm
from models.statistics.site_harm import Tried

_log = structlog.get_logger()
_FORMAT = 1
_CONVERTER = Converter(forbid_extra_keys=True)
_AGAIN = "run scanside calibrate --harm again"


def harm_file(storage: Path, bundle: str) -> Path:
    """Where lies what images of the site's protocols lose, learnt for one of its bundles."""
    return storage / f"harm-{bundle}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedAt:
    """A trial and where its series came from; ``bundle``: digest of the one that judged it."""

    bundle: str
    scanner: str
    protocol: str
    tried: Tried


class TrialJournal:
    """One trial a line, on disk before the next is begun: a killed calibration loses the one that it was at."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, bundle: str) -> Iterator[TriedAt]:
        """The trials of a bundle; a line that a kill left half is none."""
        with suppress(FileNotFoundError):
            for line in self._path.read_text().splitlines():
                with suppress(ValueError, BaseValidationError, TypeError):
                    one = _CONVERTER.structure(json.loads(line), TriedAt)
                    if one.bundle == bundle:
                        yield one

    def append(self, tried: TriedAt) -> None:
        """Write a line, after the end of one that is half.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        with self._path.open("ab+") as file:
            file.seek(0, os.SEEK_END)
            whole = file.tell() == 0
            if not whole:
                file.seek(-1, os.SEEK_END)
                whole = file.read(1) == b"\n"
            file.write((b"" if whole else b"\n") + json.dumps(asdict(tried)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def write_harm(path: Path, harm: SiteHarm) -> None:
    """Write the file, whole or not at all.

    Raises:
        ConfigError: the folder cannot be written.
    """
    try:
        write_whole(path, (json.dumps({"format": _FORMAT, **asdict(harm)}, indent=1) + "\n").encode())
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; run this as the daemon's user") from error


def load_harm(path: Path, bundle: Bundle) -> SiteHarm | None:
    """The harm in a file; None where there is no file.

    Raises:
        ConfigError: it cannot be read, is damaged or of another format, or another bundle's.
    """
    try:
        content = json.loads(path.read_bytes())
        if content.pop("format") != _FORMAT:
            raise ConfigError(f"{path} is of another format: {_AGAIN}")
        harm = _CONVERTER.structure(content, SiteHarm)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; let the daemon's user read it") from error
    except (BaseValidationError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path} is damaged ({type(error).__name__}): {_AGAIN}") from error
    if harm.bundle != bundle.digest:
        raise ConfigError(f"{path} was learnt with another bundle: {_AGAIN}")
    return harm


class HarmOfSite:
    """The file as it stands now: a new one is taken up with the next series, without a restart.

    A file that cannot be used is said once, and the loss is told by the bundle alone until there is a better one.
    """

    def __init__(self, path: Path, bundle: Bundle) -> None:
        self._path, self._bundle = path, bundle
        self._file = StandingFile(path, self._load)

    def of(self, origin: Origin) -> Harm | None:
        """What tells the loss of a series of this origin; None where the site has learnt nothing of it."""
        harm = self._file.value()
        return None if harm is None else harm.of(origin.scanner, origin.protocol)

    def _load(self) -> SiteHarm | None:
        try:
            harm = load_harm(self._path, self._bundle)
        except ConfigError as error:
            _log.warning("harm_unusable", detail=str(error))
            return None
        _log.info("harm_loaded", records=len(harm.cells) if harm else 0)
        return harm
