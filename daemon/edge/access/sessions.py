"""Sessions of logged-in users in SQL; only a digest of what a browser holds is kept."""

import hashlib
import secrets

import sqlalchemy as sa

from daemon.core.people.access import AccessSettings, Role, Visitor
from daemon.edge.database import schema

_TABLE = schema.sessions
#: How often it is noted that a session is used.
_SEEN_EVERY_S = 60.0


class Sessions:
    """Sessions, within the limits of the settings. Every method is one transaction."""

    def __init__(self, engine: sa.Engine, settings: AccessSettings) -> None:
        self._engine = engine
        self._settings = settings

    def begin(self, name: str, now: float) -> str:
        """A new session; a user's oldest beyond the most end. What its browser is to hold."""
        session = secrets.token_urlsafe(32)
        of_user = sa.select(_TABLE.c.digest).where(_TABLE.c.name == name).order_by(_TABLE.c.seen_at.desc())
        with self._engine.begin() as connection:
            self._expire(connection, now)
            surplus = connection.execute(of_user.offset(self._settings.sessions_max - 1)).scalars().all()
            connection.execute(sa.delete(_TABLE).where(_TABLE.c.digest.in_(surplus)))
            row = {"digest": _digest(session), "name": name, "began_at": now, "seen_at": now}
            connection.execute(sa.insert(_TABLE), row)
        return session

    def visitor(self, session: str, now: float) -> Visitor | None:
        """Whose session it is, with the role that the user has by now; None where it ended or never was."""
        users = schema.users
        query = sa.select(_TABLE, users.c.role).join(users, users.c.name == _TABLE.c.name)
        digest = _digest(session)
        with self._engine.connect() as connection:
            row = connection.execute(query.where(_TABLE.c.digest == digest)).mappings().first()
        if row is None or self._is_over(row, now):
            return None
        if now - row["seen_at"] > _SEEN_EVERY_S:
            with self._engine.begin() as connection:
                connection.execute(sa.update(_TABLE).where(_TABLE.c.digest == digest).values(seen_at=now))
        return Visitor(name=row["name"], role=Role(row["role"]), session=digest)

    def end(self, session: str) -> None:
        """End a session."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_TABLE).where(_TABLE.c.digest == _digest(session)))

    def _is_over(self, row: sa.RowMapping, now: float) -> bool:
        began_at, seen_at = float(row["began_at"]), float(row["seen_at"])
        return now - began_at > self._settings.session_s or now - seen_at > self._settings.idle_s

    def _expire(self, connection: sa.Connection, now: float) -> None:
        old = sa.or_(_TABLE.c.began_at < now - self._settings.session_s, _TABLE.c.seen_at < now - self._settings.idle_s)
        connection.execute(sa.delete(_TABLE).where(old))


def _digest(session: str) -> str:
    return hashlib.sha256(session.encode()).hexdigest()
