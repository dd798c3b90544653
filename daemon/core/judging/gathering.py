"""Which closed series of a study are examined together: one leads, and is answered as it comes; the others join it.

An examination is led by one series, by whose revisions it is counted: a series that joins later makes the next
revision, of the same images. A bundle names the roles; a series may play one in several examinations.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daemon.core.judging.routing import Route
from daemon.core.values import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A part beside the leading one: of ``bundle`` as it is configured, which series play it, and whether all do."""

    bundle: str
    name: str
    routes: tuple[Route, ...]
    every: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A closed series that may play a role.

    ``revision``: the last in which images came; a later one has the same images. ``leads``: it is answered by this
    bundle. ``every``: all that offer this role play it. ``state``: its own verdict.
    """

    series_instance_uid: str
    revision: int
    bundle: str
    role: str
    leads: bool
    every: bool
    partial: bool
    state: State
    closed_at: float


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Member:
    """A series that joins an examination, by the part that it plays."""

    role: str
    series_instance_uid: str
    revision: int


def gather(lead: str, offers: Iterable[Offer]) -> tuple[Member, ...]:
    """The series that join the one whose UID is ``lead``; ``offers``: of its study and bundle.

    Of those that may play a role one does: judged before not assessed, whole before partial, the last before earlier
    ones; none whose own images ask for a rescan.
    """
    by_role: dict[str, list[Offer]] = {}
    for offer in sorted(offers, key=lambda one: (one.closed_at, one.series_instance_uid)):
        if offer.series_instance_uid != lead and (offer.every or not offer.leads):
            by_role.setdefault(offer.role, []).append(offer)
    playing = (one for role in sorted(by_role) for one in _playing(by_role[role]))
    return tuple(
        Member(role=one.role, series_instance_uid=one.series_instance_uid, revision=one.revision) for one in playing
    )


def is_outdated(lead: str, members: Sequence[Member], offers: Sequence[Offer], by: str) -> bool:
    """Whether an examination that has these members is to be made anew after the series ``by`` was answered.

    Where every series of a study plays a role, the last one to be answered has them all: the earlier ones stay as they
    are.
    """
    every = {offer.role for offer in offers if offer.every and by != lead}
    now = gather(lead, offers)
    return {one for one in now if one.role not in every} != {one for one in members if one.role not in every}


def refused(lead: str, offers: Iterable[Offer]) -> tuple[str, ...]:
    """The roles that only series offer whose own images ask for a rescan."""
    others = [one for one in offers if one.series_instance_uid != lead and not (one.leads or one.every)]
    good = {one.role for one in others if one.state is not State.RESCAN}
    return tuple(sorted({one.role for one in others} - good))


def _playing(offers: Sequence[Offer]) -> Sequence[Offer]:
    """Those that play a role, of those that may, the oldest first."""
    if offers[0].every:
        return offers
    fit = [one for one in offers if one.state is not State.RESCAN]
    return sorted(fit, key=lambda one: (one.state is not State.NOT_ASSESSED, not one.partial))[-1:]
