"""From the objects of a series to the volume that stands for it and the bundle that judges it, or why there is none.

The same lines serve the daemon, ``scanside assess`` and the dry run of ``scanside route``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from daemon.core.choice import Labels, choose
from daemon.core.errors import NotAssessable, Reason
from daemon.core.reference import Origin
from daemon.core.routing import Facts, Route, Trial, find_route, try_routes
from daemon.core.values import Volume
from daemon.dicom.reading.facts import facts_of, geometry_facts, mixed_facts
from daemon.dicom.reading.volumes import FRAMES_MAX, Object, Stack, arrange, decode
from models.preprocess import coarsest_mm

#: Encoded series above this are time series of some kind: a volume of the largest size takes a quarter of it.
BYTES_MAX: Final = 2 << 30


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """What is to be judged, and the name of the bundle that judges it."""

    volume: Volume
    bundle: str

    @property
    def protocol(self) -> str:
        """The protocol's name as it is recorded and compared by; empty where the header is silent."""
        return self.volume.acquisition.protocol or ""

    def origin(self, scanner: str) -> Origin:
        """Where it comes from; ``scanner``: calling AE title."""
        return Origin(scanner=scanner, protocol=self.protocol, coarsest_mm=coarsest_mm(self.volume.affine))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a series' headers say before a pixel is decoded.

    ``volumes``: what sets each volume apart; ``chosen``: the number of the one that stands for the series, and
    ``several``: why none does; ``facts`` are the chosen one's, else the first one's, and ``mixed`` those that differ
    within it. ``route`` is None where none applies. ``left_out``: images computed from the others.
    """

    volumes: tuple[Labels, ...]
    chosen: int | None
    several: str
    facts: Facts
    route: Route | None
    mixed: tuple[str, ...] = ()
    left_out: int = 0

    @property
    def refusal(self) -> NotAssessable | None:
        """Why the series is not judged; None where it is."""
        if self.route is not None and self.route.judges:
            if self.mixed:
                return NotAssessable(Reason.MIXED, ", ".join(self.mixed))
            return None if self.chosen is not None else NotAssessable(Reason.SEVERAL, self.several)
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
    """The volume to judge of a series that ``scanner`` (calling AE title) sent.

    Raises:
        NotAssessable: no volume, several that nothing chooses from, or no bundle for it; the reason says which.
    """
    stacks = arrange(objects)
    return _candidate(stacks, consider(stacks, routes, scanner))


def select_volume(volume: Volume, routes: Sequence[Route], scanner: str = "", suffix: str = "") -> Candidate:
    """The same for a volume without a header: its facts are its geometry's, and the ``suffix`` of its name after BIDS.

    Raises:
        NotAssessable: UNROUTED, no bundle for it.
    """
    facts = {
        **geometry_facts(volume.affine, volume.voxels.shape[2], 1),
        **({"CallingAE": (scanner,)} if scanner else {}),
        **({"BidsSuffix": (suffix,)} if suffix else {}),
    }
    outlook = Outlook(volumes=((),), chosen=0, several="", facts=facts, route=find_route(routes, facts))
    return Candidate(volume=volume, bundle=_bundle(outlook))


def consider(stacks: Sequence[Stack], routes: Sequence[Route], scanner: str = "") -> Outlook:
    """What becomes of a series, by its headers alone."""
    volumes = tuple(stack.dimension for stack in stacks)
    chosen, several = None, ""
    try:
        chosen = choose(volumes)
    except NotAssessable as error:
        several = error.detail
    stack = stacks[chosen or 0]
    facts = facts_of(stack, len(stacks), scanner)
    return Outlook(
        volumes=volumes,
        chosen=chosen,
        several=several,
        facts=facts,
        route=find_route(routes, facts),
        mixed=mixed_facts(stack),
        left_out=stack.left_out,
    )


def _candidate(stacks: Sequence[Stack], outlook: Outlook) -> Candidate:
    bundle = _bundle(outlook)
    return Candidate(volume=decode(stacks[outlook.chosen or 0]), bundle=bundle)


def _bundle(outlook: Outlook) -> str:
    refusal = outlook.refusal
    if refusal is not None:
        raise refusal
    return outlook.route.bundle if outlook.route is not None else ""
