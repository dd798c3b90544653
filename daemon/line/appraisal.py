"""One series in, with those that join it; an appraisal out: select, examine, decide, as far as it goes.

The same lines serve the daemon, ``scanside assess`` and ``scanside batch``.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version

from daemon.core.errors import PASSED_ON, NotAssessable, Reason, SpoolError
from daemon.core.judging.gathering import Member, Role
from daemon.core.judging.own_past import OwnPast
from daemon.core.judging.reference import Origin, Standard
from daemon.core.judging.routing import Route
from daemon.core.judging.unusual import beside_own_past
from daemon.core.judging.verdict import decide, decline
from daemon.core.measures import Assessment
from daemon.core.values import Algorithm, Verdict
from daemon.dicom.reading.volumes import Object, arrange
from daemon.line.examination import Examination, Examiner
from daemon.line.selection import Candidate, roles_of, select_image, select_stacks
from models.manifest import Manifest
from models.subject import Image

#: What a series of some origin is compared with.
ChooseStandard = Callable[[Origin], Standard | OwnPast]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A bundle at work: who examines, and what a series of some origin is compared with."""

    examiner: Examiner
    algorithm: Algorithm
    choose_standard: ChooseStandard


#: The judge of a bundle, by its name; loaded when it is first asked for.
FindJudge = Callable[[str], Judge]
#: Who compared an image with its protocol's past, what that gave, and in how many seconds.
_Compared = tuple[Judge, Assessment, float]


def software(config_digest: str) -> Algorithm:
    """Who signs where no bundle judges: the software itself."""
    own = version("scanside")
    return Algorithm(
        bundle="Scanside", bundle_version=own, bundle_digest="", software_version=own, config_digest=config_digest
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A series that may join the one that leads: by its ``role``, and how its objects are read.

    ``member``: how it is known; None where nobody keeps it.
    """

    role: str
    read: Callable[[], Iterable[Object]]
    member: Member | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """Who joins a series in an examination, and which roles only series offer that ask for a rescan themselves."""

    companions: Sequence[Companion] = ()
    refused: Sequence[str] = ()


#: Who joins a series, by the name of the bundle that judges it.
FindCompany = Callable[[str], Company]


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraisal:
    """How far a series came.

    ``image`` and ``origin``: once it was read; ``bundle``: the configured name of the one that was asked;
    ``examination``: where it was judged. ``roles``: what it may be beside others; ``joined``: who was used beside it;
    ``seconds``: duration of each stage; ``lost``: why its objects could not be read any more; ``measured``: what the
    bundle that takes any image measured of it, where that was asked for. ``own_past``: who compared the image with its
    protocol's past beside the bundle that judged it, and what that gave.
    """

    verdict: Verdict
    algorithm: Algorithm
    bundle: str = ""
    manifest: Manifest | None = None
    image: Image | None = None
    origin: Origin | None = None
    examination: Examination | None = None
    roles: tuple[Role, ...] = ()
    joined: tuple[Companion, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    lost: SpoolError | None = None
    measured: Assessment | None = None
    own_past: tuple[Judge, Assessment] | None = None


class Appraiser:
    """Appraises series by the installation's routes; whatever they are, there is an answer.

    ``software`` signs where no bundle judges; ``roles``: what series may be beside others. ``own_past``: name of the
    bundle that compares with its protocol's past what another one judged, empty for none.
    """

    def __init__(
        self,
        find_judge: FindJudge,
        software: Algorithm,
        routes: Sequence[Route],
        roles: Sequence[Role] = (),
        own_past: str = "",
    ) -> None:
        self._find_judge = find_judge
        self._software = software
        self._routes = routes
        self._roles = roles
        self._own_past = own_past

    def appraise(
        self, objects: Iterable[Object], scanner: str, series: str = "", company: FindCompany = lambda _: Company()
    ) -> Appraisal:
        """The appraisal of a series that ``scanner`` (calling AE title) sent; ``series``: its UID."""
        began, roles = time.perf_counter(), list[Role]()

        def select() -> Candidate:
            stacks = arrange(objects)
            roles.extend(roles_of(stacks, self._roles, scanner))
            return select_stacks(stacks, self._routes, scanner)

        appraisal = self._appraise(select, began, partial(_origin, scanner=scanner, series=series), company)
        return replace(appraisal, roles=tuple(roles))

    def appraise_image(
        self, image: Image, scanner: str, suffix: str = "", company: FindCompany = lambda _: Company()
    ) -> Appraisal:
        """The same for an image without a header; ``suffix``: of its name after BIDS."""
        began, select = time.perf_counter(), partial(select_image, image, self._routes, scanner, suffix)
        return self._appraise(select, began, partial(_origin, scanner=scanner, series=""), company)

    def give_up(self) -> Appraisal:
        """An answer without a look at the images."""
        return Appraisal(verdict=decline(Reason.FAILED), algorithm=self._software)

    def _appraise(
        self,
        select: Callable[[], Candidate],
        began: float,
        origin_of: Callable[[Candidate], Origin],
        company: FindCompany,
    ) -> Appraisal:
        appraisal = self.give_up()
        try:
            candidate = select()
            seconds, origin = {"read": time.perf_counter() - began}, origin_of(candidate)
            appraisal = replace(appraisal, image=candidate.image, origin=origin, seconds=seconds)
            with self._beside(candidate, origin) as compared:
                for bundle in (candidate.bundle, *candidate.others):
                    judge = self._find_judge(bundle)
                    manifest = judge.examiner.bundle.manifest
                    appraisal = replace(appraisal, algorithm=judge.algorithm, bundle=bundle, manifest=manifest)
                    appraisal = self._examined(appraisal, judge, company(bundle) if manifest.is_gathered else Company())
                    if appraisal.examination is not None:
                        return self._beside_own_past(appraisal, compared)
        except NotAssessable as error:
            return replace(appraisal, verdict=decline(error.reason, error.detail))
        except SpoolError as error:  # retention removed it before a late image re-opened the series, or bad sectors
            return replace(appraisal, verdict=decline(Reason.LOST, str(error)), lost=error)
        return appraisal

    @contextmanager
    def _beside(self, candidate: Candidate, origin: Origin) -> Iterator[Future[_Compared] | None]:
        """The image beside its protocol's past, in a thread of its own while a task's bundle judges; None without."""
        if self._own_past in ("", candidate.bundle):
            yield None
            return
        with ThreadPoolExecutor(1, "own past") as beside:
            yield beside.submit(_compare, self._find_judge(self._own_past), candidate.image, origin)

    def _examined(self, appraisal: Appraisal, judge: Judge, company: Company) -> Appraisal:
        """What a bundle says; where what it judges is not there, the refusal, of which the next one is told."""
        image, origin = appraisal.image, appraisal.origin
        assert image is not None  # noqa: S101 - selected above
        assert origin is not None  # noqa: S101
        joining = self._joining(appraisal.bundle, judge.examiner.bundle.manifest, company)
        try:
            examination = judge.examiner.examine(image, judge.choose_standard(origin), beside=joining.beside)
        except NotAssessable as error:
            if error.reason not in PASSED_ON:
                raise
            remark = _together(image.remark, f"{judge.algorithm.bundle}: {error}")
            verdict = decline(error.reason, error.detail)
            return replace(appraisal, verdict=verdict, image=replace(image, remark=remark))
        joining.leave_out(examination.findings.unused)
        manifest = judge.examiner.bundle.manifest
        reasons = (*examination.verdict.reasons, *_remarks(manifest, joining))
        return replace(
            appraisal,
            verdict=replace(examination.verdict, reasons=reasons),
            examination=examination,
            joined=joining.joined,
            seconds=appraisal.seconds | examination.seconds,
        )

    def _beside_own_past(self, appraisal: Appraisal, compared: Future[_Compared] | None) -> Appraisal:
        """What a task's bundle judged beside its protocol's past, too; as it was where that cannot be."""
        if compared is None or self._own_past == appraisal.bundle:
            return appraisal
        try:
            judge, found, seconds = compared.result()
        except NotAssessable:
            return appraisal
        except SpoolError as error:  # what a task's bundle read whole cannot be read once more
            reasons = (*appraisal.verdict.reasons, f"not compared with its own past: {error}")
            return replace(appraisal, verdict=replace(appraisal.verdict, reasons=reasons))
        said = decide(found, judge.examiner.bundle.manifest)
        return replace(
            appraisal,
            verdict=beside_own_past(appraisal.verdict, said, found.learning),
            own_past=(judge, found),
            seconds=appraisal.seconds | {"own past": seconds},
        )

    def _joining(self, bundle: str, manifest: Manifest, company: Company) -> "_Joining":
        """Read those that join; one that cannot be read is done without."""
        joining = _Joining()
        for companion in company.companions:
            if companion.role not in manifest.inputs:
                continue  # offered to another version of the bundle
            try:
                image = self._read(bundle, manifest, companion)
            except (NotAssessable, SpoolError) as error:
                joining.lacking[companion.role] = str(error)
            else:
                joining.beside.setdefault(companion.role, []).append(image)
                joining.joined = (*joining.joined, companion)
        joining.lacking |= dict.fromkeys(company.refused, "it asks for a rescan itself")
        return joining

    def _read(self, bundle: str, manifest: Manifest, companion: Companion) -> Image:
        stacks = arrange(companion.read())
        if companion.role == manifest.lead:
            return select_stacks(stacks, [route for route in self._routes if route.bundle == bundle]).image
        (role,) = (one for one in self._roles if (one.bundle, one.name) == (bundle, companion.role))
        return select_stacks(stacks, role.routes).image


@dataclass(slots=True, kw_only=True)
class _Joining:
    """``beside``: the images of those that join, by role; ``lacking``: role -> why nobody plays it."""

    beside: dict[str, list[Image]] = field(default_factory=dict)
    joined: tuple[Companion, ...] = ()
    lacking: dict[str, str] = field(default_factory=dict)

    def leave_out(self, unused: Mapping[str, str]) -> None:
        """Those that the method did without: role -> why."""
        self.joined = tuple(one for one in self.joined if one.role not in unused)
        self.beside = {role: images for role, images in self.beside.items() if role not in unused}
        self.lacking |= unused


def _compare(judge: Judge, image: Image, origin: Origin) -> _Compared:
    began = time.perf_counter()
    found = judge.examiner.examine(image, judge.choose_standard(origin)).assessment
    return judge, found, round(time.perf_counter() - began, 4)


def _remarks(manifest: Manifest, joining: _Joining) -> Iterator[str]:
    """What the verdict shall say of who joined, and of roles that nobody plays."""
    for role, entry in manifest.inputs.items():
        word = entry.word or role
        if role in joining.beside:
            more = f"{len(joining.beside[role])} more series of " if entry.every else ""
            yield f"judged with {more}{word}"
        elif role in joining.lacking:
            yield f"{word} not used: {joining.lacking[role]}"
        elif role != manifest.lead:
            yield f"judged without {word}: there is none in the study yet"


def _origin(candidate: Candidate, scanner: str, series: str) -> Origin:
    return candidate.origin(scanner, series)


def _together(*remarks: str) -> str:
    return "; ".join(filter(None, remarks))
