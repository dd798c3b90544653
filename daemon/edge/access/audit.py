"""The trail of what people did: who saw, answered, changed and exported what, apart from the log."""

import threading
from dataclasses import dataclass

import sqlalchemy as sa

from daemon.core.people.access import Deed
from daemon.edge.database import schema

_TABLE = schema.audit
#: One row for what the same visitor is refused, or sees, again and again within this time.
_AGAIN_S = 60.0
_REMEMBERED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the trail; ``subject``: the token of an exam or card, a user's name, or why something was refused."""

    at: float
    who: str
    address: str
    deed: Deed
    subject: str


class Audit:
    """The trail. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lately: dict[tuple[str, str, Deed, str], float] = {}
        self._lock = threading.Lock()

    def note(self, entry: Entry) -> None:
        """Add a line; what was seen or refused a moment ago already is not told again."""
        if entry.deed in (Deed.SAW, Deed.REFUSED) and self._is_told(entry):
            return
        row = {
            "at": entry.at,
            "who": entry.who,
            "address": entry.address,
            "deed": entry.deed.value,
            "subject": entry.subject,
        }
        with self._engine.begin() as connection:
            connection.execute(sa.insert(_TABLE), row)

    def entries(self, since: float) -> list[Entry]:
        """Every line since then, oldest first."""
        query = sa.select(_TABLE).where(_TABLE.c.at >= since).order_by(_TABLE.c.id)
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Entry(
                at=row["at"],
                who=row["who"],
                address=row["address"],
                deed=Deed(row["deed"]),
                subject=row["subject"],
            )
            for row in rows
        ]

    def _is_told(self, entry: Entry) -> bool:
        key = (entry.who, entry.address, entry.deed, entry.subject)
        with self._lock:
            told = entry.at - self._lately.get(key, float("-inf")) < _AGAIN_S
            if not told:
                if len(self._lately) >= _REMEMBERED:
                    self._lately.clear()
                self._lately[key] = entry.at
            return told
