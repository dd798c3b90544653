"""What tests with processes and tests of the database share."""

import pytest
from builders_postgres import running_postgres


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL of the module's own: a test may stop it."""
    with running_postgres() as running:
        yield running
