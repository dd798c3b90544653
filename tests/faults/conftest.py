"""What tests of faults share."""

import pytest
import structlog


@pytest.fixture(autouse=True)
def short_log():
    """Traces in colours, with every local, would take longer than the faults."""
    structlog.configure(processors=[structlog.processors.JSONRenderer(default=str)])
    yield
    structlog.reset_defaults()


@pytest.fixture
def url(tmp_path):
    """Of an empty database."""
    return f"sqlite:///{tmp_path}/scanside.sqlite"
