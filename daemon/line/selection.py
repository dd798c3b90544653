"""From the objects of a series to the image that is examined and the bundle that judges it, or why there is none.

The same lines serve the daemon, ``scanside assess`` and the dry run of ``scanside route``.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

from daemon.core.errors import NotAssessable, Reason
from daemon.core.judging.choice import choose, choose_all, of_one_kind
from daemon.core.judging.gathering import Role
from daemon.core.judging.own_past import Parameters
from daemon.core.judging.reference import Origin
from daemon.core.judging.routing import Facts, Route, Trial, takers, try_routes
from daemon.dicom.reading.facts import facts_of, geometry_facts, mixed_facts, parameters_of
from daemon.dicom.reading.volumes import FRAMES_MAX, Object, Stack, arrange, decode
from models.preprocess import coarsest_mm
from models.subject import Dimensions, Image, Quantity

#: Encoded series above this are refused: time series of 500 volumes have half of it.
BYTES_MAX: Final = 2 << 30


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """What is to be judged, and the name of the bundle that judges it; ``others`` may, in turn, if it cannot.

    ``parameters``: what it was acquired with.
    """

    image: Image
    bundle: str
    others: tuple[str, ...] = ()
    parameters: Parameters = field(default_factory=dict)

    @property
    def protocol(self) -> str:
        """The protocol's name as it is recorded and compared by; empty where the header is silent."""
        return self.image.acquisition.protocol or ""

    def origin(self, scanner: str, series: str = "") -> Origin:
        """Where it comes from; ``scanner``: calling AE title, ``series``: its UID."""
        return Origin(
            scanner=scanner,
            protocol=self.protocol,
            coarsest_mm=coarsest_mm(self.image.affine),
            parameters=self.parameters,
            series=series,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a series' headers say before a pixel is decoded.

    ``volumes``: what sets each volume apart; ``chosen``: the numbers of those that are examined, none where none stands
    for the series, and ``several``: why; ``facts`` are the first one's of these, and ``mixed`` those that differ within
    it. ``route`` is None where none applies; ``others``: the bundles that may judge if that one cannot. ``left_out``:
    images computed from the others.
    """

    volumes: tuple[Dimensions, ...]
    chosen: tuple[int, ...]
    several: str
    facts: Facts
    route: Route | None
    mixed: tuple[str, ...] = ()
    left_out: int = 0
    others: tuple[str, ...] = ()

    @property
    def refusal(self) -> NotAssessable | None:
        """Why the series is not judged; None where it is."""
        if self.route is not None and self.route.judges:
            if self.mixed:
                return NotAssessable(Reason.MIXED, ", ".join(self.mixed))
            return None if self.chosen else NotAssessable(Reason.SEVERAL, self.several)
        why = self.route.refuse if self.route is not None else "no route applies"
        return NotAssessable(Reason.UNROUTED, "; ".join(part for part in (why, self.several) if part))

    def trials(self, routes: Sequence[Route]) -> tuple[Trial, ...]:
        """Every route against these facts."""
        return try_routes(routes, self.facts)


def check_size(lengths: Sequence[int]) -> None:
    """Refuse what would fill the memory before anything of it is read; ``lengths``: bytes of each object.

    Raises:
        NotAssessable: TOO_LARGE.
    """
    if sum(lengths) > BYTES_MAX or len(lengths) > FRAMES_MAX:
        raise NotAssessable(Reason.TOO_LARGE, f"{len(lengths)} objects of {sum(lengths) / 1e9:.1f} GB")


def select(objects: Iterable[Object], routes: Sequence[Route], scanner: str = "") -> Candidate:
    """The image to judge of a series that ``scanner`` (calling AE title) sent.

    Raises:
        NotAssessable: no volume, several that nothing chooses from, or no bundle for it; the reason says which.
    """
    return select_stacks(arrange(objects), routes, scanner)


def select_stacks(stacks: Sequence[Stack], routes: Sequence[Route], scanner: str = "") -> Candidate:
    """The same, of objects that were arranged.

    Raises:
        NotAssessable: as above.
    """
    outlook = consider(stacks, routes, scanner)
    bundle, chosen = _bundle(outlook), [stacks[n] for n in outlook.chosen]
    return Candidate(image=decode(chosen), bundle=bundle, others=outlook.others, parameters=parameters_of(chosen[0]))


def select_image(image: Image, routes: Sequence[Route], scanner: str = "", suffix: str = "") -> Candidate:
    """The same for an image without a header: its facts are its geometry's, and the ``suffix`` of its name after BIDS.

    Raises:
        NotAssessable: UNROUTED, no bundle for it; SEVERAL, none for so many volumes.
    """
    facts = {
        **geometry_facts(image.affine, image.shape[2], len(image.voxels)),
        **({"CallingAE": (scanner,)} if scanner else {}),
        **({"BidsSuffix": (suffix,)} if suffix else {}),
    }
    in_time = tuple({"Repetition": Quantity((float(n),), "1")} for n in range(1, len(image.voxels) + 1))
    outlook = _outlook(in_time if len(in_time) > 1 else ({},), facts, routes)
    return Candidate(image=image, bundle=_bundle(outlook), others=outlook.others)


def roles_of(stacks: Sequence[Stack], roles: Sequence[Role], scanner: str = "") -> tuple[Role, ...]:
    """The parts that a series may play beside another one."""
    return tuple(role for role in roles if consider(stacks, role.routes, scanner).refusal is None)


def consider(stacks: Sequence[Stack], routes: Sequence[Route], scanner: str = "") -> Outlook:
    """What becomes of a series, by its headers alone."""
    volumes = tuple(stack.dimensions for stack in stacks)
    first = stacks[of_one_kind(volumes)[0]]
    facts = facts_of(first, len(stacks), scanner)

    @cache
    def mixed_of(n: int) -> tuple[str, ...]:
        return mixed_facts(stacks[n])

    def mixed(chosen: Sequence[int]) -> tuple[str, ...]:
        """What makes the contrast and differs within a volume; of the first stack where none was chosen."""
        return tuple(dict.fromkeys(name for n in chosen or (0,) for name in mixed_of(n)))

    return replace(_outlook(volumes, facts, routes, mixed), left_out=first.left_out)


def _outlook(
    volumes: tuple[Dimensions, ...],
    facts: Facts,
    routes: Sequence[Route],
    mixed: Callable[[Sequence[int]], tuple[str, ...]] = lambda _: (),
) -> Outlook:
    """The first bundle that can be given what it asks for, and those that come after it; else why the first cannot."""
    outlooks = [_given(volumes, facts, route, mixed) for route in takers(routes, facts)]
    good = [outlook for outlook in outlooks if outlook.refusal is None]
    if not good:
        return outlooks[0] if outlooks else _given(volumes, facts, None, mixed)
    others = tuple(one.route.bundle for one in good[1:] if one.route is not None and one.chosen == good[0].chosen)
    return replace(good[0], others=others)


def _given(
    volumes: tuple[Dimensions, ...],
    facts: Facts,
    route: Route | None,
    mixed: Callable[[Sequence[int]], tuple[str, ...]],
) -> Outlook:
    """Which volumes the route's bundle is given."""
    chosen: tuple[int, ...] = ()
    several = ""
    try:
        chosen = choose_all(volumes) if route is not None and route.phases == "all" else (choose(volumes),)
    except NotAssessable as error:
        several = error.detail
    return Outlook(volumes=volumes, chosen=chosen, several=several, facts=facts, route=route, mixed=mixed(chosen))


def _bundle(outlook: Outlook) -> str:
    refusal = outlook.refusal
    if refusal is not None:
        raise refusal
    return outlook.route.bundle if outlook.route is not None else ""
