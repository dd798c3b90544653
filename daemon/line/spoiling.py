"""Accepted series of each scanner and protocol, spoilt and judged again while nobody waits: what images there lose."""

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from daemon.core.errors import ConfigError, NotAssessable, SpoolError
from daemon.edge.files.trials import TrialJournal, TriedAt
from daemon.line.examination import Examiner
from models.findings import NotThis, SiteSource
from models.preprocess import spacing_of
from models.statistics.site_harm import harm_between
from models.statistics.trials import Trial, Tried, trials_of
from models.subject import Image, Subject, still

#: Between two looks whether somebody waits.
_PAUSE_S = 1.0


class Placed(Protocol):
    """A series, and where it came from."""

    @property
    def series_instance_uid(self) -> str:
        """Its UID."""

    @property
    def scanner(self) -> str:
        """The calling AE title."""

    @property
    def protocol(self) -> str:
        """The name of its protocol."""


_Placed = TypeVar("_Placed", bound=Placed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """``series`` of each cell at most; spoilt ``images`` of each, beside it as it came; no trial after ``until``.

    ``until``: by ``time.monotonic``.
    """

    series: int
    images: int
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The line as far as it concerns this: ``image_of`` a series UID, whether anything waits (``is_busy``)."""

    image_of: Callable[[str], Image]
    is_busy: Callable[[], bool]
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Trials made ``now``, and ``left`` over where the time was up; ``lost``: series whose images cannot be read."""

    now: int
    left: int
    lost: int


class Spoiler:
    """Tries series one image at a time; what was tried before, in whatever run, is not tried again."""

    def __init__(self, examiner: Examiner, journal: TrialJournal, live: Live, bounds: Bounds) -> None:
        self._examiner, self._journal, self._live, self._bounds = examiner, journal, live, bounds

    def run(self, cells: Iterable[Sequence[Placed]]) -> Done:
        """Try what was not tried yet, one series of each of the ``cells`` in turn, its newest first.

        Raises:
            ConfigError: the bundle tells no numbers that a loss could be learnt from.
        """
        digest = self._examiner.bundle.digest
        known = {(one.tried.series, one.tried.number) for one in self._journal.read(digest)}
        begun = {token for token, number in known if number or not self._bounds.images}
        now = left = lost = 0
        for one in in_turn(cells, self._bounds.series, begun):
            token = token_of(one.series_instance_uid)
            missing = [t for t in trials_of(token, digest, self._bounds.images) if (token, t.number) not in known]
            try:
                made = self._try(one, token, missing) if missing else 0
            except (NotAssessable, NotThis, SpoolError):
                made, lost = len(missing), lost + 1
                continue
            now, left = now + made, left + len(missing) - made
        return Done(now=now, left=left, lost=lost)

    def _try(self, one: Placed, token: str, trials: Iterable[Trial]) -> int:
        """How many of them were made before the time was up."""
        if not self._may_go_on():
            return 0
        image = _first_volume(self._live.image_of(one.series_instance_uid))
        clean = self._source(image)
        reference, count = clean.structure(), 0
        for trial in trials:
            if not self._may_go_on():
                break
            tried = self._tried(image, trial, token, clean, reference)
            place = {"scanner": one.scanner, "protocol": one.protocol}
            self._journal.append(TriedAt(bundle=self._examiner.bundle.digest, tried=tried, **place))
            count += 1
        return count

    def _tried(
        self, image: Image, trial: Trial, token: str, clean: SiteSource, reference: npt.NDArray[np.bool_]
    ) -> Tried:
        """One trial; an image in which nothing is found any more has lost everything, and tells no numbers."""
        tried = Tried(series=token, number=trial.number, family=trial.family, harm=0.0, numbers={})
        source, harm = clean, 0.0
        if trial.artefact is not None:
            spoilt = trial.applied_to(image.still, spacing_of(image.affine))
            try:
                source = self._source(replace(image, voxels=spoilt[None]))
            except NotThis:
                return replace(tried, harm=1.0)
            harm = harm_between(reference, source.structure())
        return replace(tried, harm=harm, numbers=dict(source.numbers()))

    def _source(self, image: Image) -> SiteSource:
        examiner = self._examiner
        subject = Subject(images={examiner.bundle.manifest.lead: image})
        source = examiner.method.examine(subject, examiner.engines).source
        if source is None:
            raise ConfigError(f"'{examiner.bundle.manifest.name}' tells no numbers that a loss is learnt from")
        return source

    def _may_go_on(self) -> bool:
        """Wait while live work waits; False once the time is up."""
        while time.monotonic() < self._bounds.until:
            if not self._live.is_busy():
                return True
            self._live.sleep(_PAUSE_S)
        return False


def _first_volume(image: Image) -> Image:
    """What is tried of a run."""
    if len(image.voxels) == 1:
        return image
    return still(image.voxels[0], image.affine, image.acquisition, image.dimensions[0])


def token_of(series_instance_uid: str) -> str:
    """What stands for a series outside the database."""
    return hashlib.sha256(series_instance_uid.encode()).hexdigest()[:16]


def in_turn(cells: Iterable[Sequence[_Placed]], most: int, begun: Collection[str] = ()) -> Iterator[_Placed]:
    """``most`` of each cell, one of each in turn: those ``begun`` (tokens), then the others in their order."""
    chosen = (sorted(cell, key=lambda one: token_of(one.series_instance_uid) not in begun)[:most] for cell in cells)
    rounds = zip_longest(*chosen)
    return (one for one in chain.from_iterable(rounds) if one is not None)
