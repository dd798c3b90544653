"""Users in SQL; of their passwords only what Argon2id makes of them (RFC 9106)."""

from functools import cached_property

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from daemon.core.people.access import Role
from daemon.edge.database import schema

_TABLE = schema.users
PASSWORD_LENGTH_MIN = 12


class Users:
    """Local users. Every method is one transaction."""

    def __init__(self, engine: sa.Engine, hasher: PasswordHasher | None = None) -> None:
        self._engine = engine
        self._hasher = hasher or PasswordHasher()

    def put(self, name: str, role: Role, password: str) -> None:
        """Add a user, or give one another role and password; the sessions of before end."""
        row = {"name": name, "role": role.value, "password": self._hasher.hash(password)}
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_TABLE).where(_TABLE.c.name == name))
            connection.execute(sa.insert(_TABLE), row)
            connection.execute(sa.delete(schema.sessions).where(schema.sessions.c.name == name))

    def remove(self, name: str) -> bool:
        """Remove a user, and end all sessions; whether there was one."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(schema.sessions).where(schema.sessions.c.name == name))
            return connection.execute(sa.delete(_TABLE).where(_TABLE.c.name == name)).rowcount > 0

    def roles(self) -> dict[str, Role]:
        """The role of each user, by name."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(_TABLE.c.name, _TABLE.c.role).order_by(_TABLE.c.name))
            return {name: Role(role) for name, role in rows}

    def verify(self, name: str, password: str) -> Role | None:
        """The role of a user with this password; None else, after the same time whether there is such a user or not."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(_TABLE).where(_TABLE.c.name == name)).mappings().first()
        try:
            self._hasher.verify(row["password"] if row else self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return None
        return Role(row["role"]) if row else None

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash("nobody's password")
