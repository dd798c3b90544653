"""What tests of the database and of deliveries share."""

from threading import Event

import pytest
from builders.running.database import opened
from prometheus_client import CollectorRegistry

from daemon.edge.database.outbox import Outbox
from daemon.edge.files.reports import Reports
from daemon.edge.supervisor import Supervisor
from daemon.edge.telemetry.metrics import make_metrics
from daemon.sending.delivering import DeliveryServices


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Of an empty database of each kind."""
    sqlite = request.param == "sqlite"
    return f"sqlite:///{tmp_path}/scanside.sqlite" if sqlite else request.getfixturevalue("server").database()


@pytest.fixture
def engine(tmp_path):
    with opened(f"sqlite:///{tmp_path}/scanside.sqlite") as engine:
        yield engine


@pytest.fixture
def services(engine, tmp_path):
    return DeliveryServices(
        outbox=Outbox(engine),
        reports=Reports(tmp_path / "reports"),
        metrics=make_metrics(CollectorRegistry()),
        supervisor=Supervisor(Event()),
        worker="w",
    )
