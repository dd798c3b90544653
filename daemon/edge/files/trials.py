"""NAME.trials: what was made of accepted series that were spoilt, one line each, by ``scanside calibrate``."""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from cattrs import BaseValidationError, Converter

from daemon.edge.durable import write_whole
from daemon.edge.private import held
from models.statistics.trials import Tried

_CONVERTER = Converter(forbid_extra_keys=True)


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

    @contextmanager
    def alone(self) -> Iterator[None]:
        """As the one process that tries series for it.

        Raises:
            ConfigError: another one does.
        """
        with held(self._path.with_suffix(".lock"), f"another process tries series for {self._path}: let it end"):
            yield

    def read(self, bundle: str) -> Iterator[TriedAt]:
        """The trials of a bundle; a line that a kill left half is none."""
        return _legible(self._lines(), bundle)

    def keep(self, bundle: str, series: Collection[str]) -> Sequence[TriedAt]:
        """Forget the trials of other bundles and of all but these ``series`` (as ``Tried`` names them); what is left.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        lines = self._lines()
        kept = [one for one in _legible(lines, bundle) if one.tried.series in series]
        if len(kept) < len(lines):
            write_whole(self._path, b"".join(_line(one) for one in kept))
        return kept

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
            file.write((b"" if whole else b"\n") + _line(tried))
            file.flush()
            os.fsync(file.fileno())

    def _lines(self) -> Sequence[str]:
        return self._path.read_text().splitlines() if self._path.exists() else []


def _legible(lines: Iterable[str], bundle: str) -> Iterator[TriedAt]:
    for line in lines:
        with suppress(ValueError, BaseValidationError, TypeError):
            one = _CONVERTER.structure(json.loads(line), TriedAt)
            if one.bundle == bundle:
                yield one


def _line(tried: TriedAt) -> bytes:
    return json.dumps(asdict(tried)).encode() + b"\n"
