"""Every identifier that Scanside gives away: the same parts give the same UID, for ever.

UIDs lie under 2.25, the arc for UUIDs that needs no registration (PS3.5, B.2); series numbers keep clear of the
scanner's own and group a source series' reports together.
"""

from typing import Final
from uuid import UUID, uuid5

from daemon.core.values import ReportKind

#: uuid5 of the DNS name "scanside.uids"; it never changes: archives know our objects by what follows from it.
_NAMESPACE: Final = UUID("dfda1296-af05-5954-aa04-40896e2e3b78")

_SLOTS: Final = {ReportKind.SR: 0, ReportKind.SUMMARY: 2}
_FIRST_NUMBER: Final = 90_000
_SLOTS_PER_SERIES: Final = 20
_SOURCE_NUMBERS: Final = 500


def derive_uid(*parts: str) -> str:
    """A UID of at most 44 characters, a function of ``parts`` alone (UUID version 5).

    Each part goes in with its length before it, so that ("ab", "c") and ("a", "bc") differ.
    """
    name = "".join(f"{len(part)}:{part}" for part in parts)
    return f"2.25.{uuid5(_NAMESPACE, name).int}"


def series_number(source: int | None, kind: ReportKind) -> int:
    """The series number of a report of ``kind`` on a source series, 90000 to 99999; a missing source counts as 0."""
    return _FIRST_NUMBER + _SLOTS_PER_SERIES * ((source or 0) % _SOURCE_NUMBERS) + _SLOTS[kind]


#: File Meta Information: who wrote the file (PS3.10, 7.1).
IMPLEMENTATION_CLASS_UID: Final = derive_uid("implementation", "scanside")
#: The coding scheme 99SCANSIDE.
CODING_SCHEME_UID: Final = derive_uid("coding scheme", "99SCANSIDE")
