"""The series of one study on disk: which of them join one that leads an examination."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from daemon.core.errors import NotAssessable
from daemon.core.judging.gathering import Member, Offer, Role, gather
from daemon.core.judging.routing import Route
from daemon.core.values import State
from daemon.dicom.reading.volumes import arrange
from daemon.edge.files.content import FileContent
from daemon.line.appraisal import Companion, Company
from daemon.line.selection import check_size, consider, roles_of

#: The files of each series of a study, by its UID.
Study = Mapping[str, Sequence[Path]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """Who may join whom, as the installation's ``routes`` and ``roles`` say of series that ``scanner`` sent.

    ``stacked``: the leading role of each bundle whose series all join one another.
    """

    routes: Sequence[Route]
    roles: Sequence[Role]
    stacked: Mapping[str, str]
    scanner: str = ""

    def company(self, series: str, study: Study, bundle: str) -> Company:
        """Who of the ``study`` joins ``series``, which ``bundle`` judges; by headers alone, in the order of UIDs.

        Where all series of a study join one another, they join the last one, and the others are judged alone. What a
        series' own images are worth is not asked.

        Raises:
            OSError: a file cannot be read now.
        """
        offers = [offer for uid in sorted(study) for offer in self._offers(uid, study[uid], bundle)]
        last = max((offer.series_instance_uid for offer in offers if offer.leads), default="")
        members = gather(series, [offer for offer in offers if series > last or not offer.leads])
        return Company(companions=[_companion(member, study[member.series_instance_uid]) for member in members])

    def _offers(self, series: str, files: Sequence[Path], bundle: str) -> Iterator[Offer]:
        """What a series may be beside another one."""
        offer = partial(
            Offer,
            series_instance_uid=series,
            revision=1,
            bundle=bundle,
            partial=False,
            state=State.ACCEPT,
            closed_at=0.0,
        )
        try:
            check_size([file.stat().st_size for file in files])
            stacks = arrange(map(FileContent, files))
        except NotAssessable:
            return
        for role in roles_of(stacks, [role for role in self.roles if role.bundle == bundle], self.scanner):
            yield offer(role=role.name, leads=False, every=role.every)
        outlook = consider(stacks, self.routes, self.scanner)
        route = outlook.route if outlook.refusal is None else None
        if bundle in self.stacked and route is not None and route.bundle == bundle:
            yield offer(role=self.stacked[bundle], leads=True, every=True)


def _companion(member: Member, files: Sequence[Path]) -> Companion:
    return Companion(role=member.role, read=partial(map, FileContent, files), member=member)
