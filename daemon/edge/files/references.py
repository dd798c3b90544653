"""references.json: the site's own references, written by ``scanside calibrate``, read by the judge as they change."""

import json
from dataclasses import asdict
from pathlib import Path

import structlog
from cattrs import BaseValidationError, Converter, transform_error

from daemon.core.errors import ConfigError
from daemon.core.judging.own_past import OwnPast
from daemon.core.judging.reference import Origin, References, Standard, choose, is_sound
from daemon.core.judging.rule import Rule
from daemon.edge.durable import write_whole
from daemon.edge.files.standing import StandingFile
from daemon.edge.supervisor import Loop, Supervisor
from models.bundle import Bundle

_log = structlog.get_logger()

_FORMAT = 1
_CONVERTER = Converter(forbid_extra_keys=True)
_AGAIN = "run scanside calibrate again"


def write_references(path: Path, references: References) -> None:
    """Write the file, whole or not at all.

    Raises:
        ConfigError: the folder cannot be written.
    """
    cells = [asdict(cell) | {"count": cell.count} for cell in references.cells]
    content = {"format": _FORMAT, "bundle": references.bundle, "made_at": references.made_at, "cells": cells}
    try:
        write_whole(path, (json.dumps(content, indent=1) + "\n").encode())
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; run this as the daemon's user") from error


def load_references(path: Path, bundle: Bundle) -> References | None:
    """The references in a file; None where there is no file.

    Raises:
        ConfigError: it cannot be read, is damaged or of another format, or holds another bundle's scores.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; let the daemon's user read it") from error
    references = _parse(path, text)
    if references.bundle != bundle.digest:
        raise ConfigError(f"{path} holds the scores of another bundle, which must not be compared: {_AGAIN}")
    if not is_sound(references, bundle.manifest.compared):
        raise ConfigError(f"{path} is damaged (not the bundle's signals, or no ascending numbers): {_AGAIN}")
    return references


def _parse(path: Path, text: bytes) -> References:
    try:
        content = json.loads(text)
        if content.pop("format") != _FORMAT:
            raise ConfigError(f"{path} is of another format: {_AGAIN}")
        counts = [cell.pop("count") for cell in content["cells"]]
        references = _CONVERTER.structure(content, References)
    except BaseValidationError as error:
        raise ConfigError(f"{path} is damaged ({'; '.join(transform_error(error))}): {_AGAIN}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:  # no JSON, or not of this form
        raise ConfigError(f"{path} is damaged ({type(error).__name__}): {_AGAIN}") from error
    if counts != [cell.count for cell in references.cells]:
        raise ConfigError(f"{path} is damaged (a cell does not hold what it counts): {_AGAIN}")
    return references


class SiteReferences:
    """The file as it stands now: a new one is taken up with the next series, without a restart.

    A file that cannot be used is said once, and the bundle's own reference serves until there is a better one.
    """

    def __init__(self, path: Path, bundle: Bundle, rule: Rule, supervisor: Supervisor) -> None:
        self._path = path
        self._bundle = bundle
        self._rule = rule
        self._supervisor = supervisor
        self._file = StandingFile(path, lambda: supervisor.item(Loop.REFERENCES, self._load, lambda _: None))
        self._file.value()

    def choose(self, origin: Origin) -> Standard | OwnPast:
        """What a series of this origin is compared with."""
        references, manifest = self._file.value(), self._bundle.manifest
        return self._supervisor.item(
            Loop.REFERENCES,
            lambda: choose(references, manifest, origin, self._rule),
            lambda _: choose(None, manifest, origin, self._rule),
        )

    def _load(self) -> References | None:
        try:
            references = load_references(self._path, self._bundle)
        except ConfigError as error:
            _log.warning("references_unusable", detail=str(error))
            return None
        _log.info("references_loaded", records=len(references.cells) if references else 0)
        return references
