"""What tests with processes and tests of the database share; and no property is a question of time."""

import pytest
from builders.peers.postgres import running_postgres
from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL of the module's own: a test may stop it."""
    with running_postgres() as running:
        yield running
