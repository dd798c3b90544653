"""What tests of the database and of deliveries share."""

import pytest
from prometheus_client import CollectorRegistry

from daemon.delivering import Desk
from daemon.edge.metrics import make_metrics
from daemon.edge.migrations import open_database
from daemon.edge.outbox import Outbox
from daemon.edge.reports import Reports


@pytest.fixture
def engine(tmp_path):
    opened = open_database(f"sqlite:///{tmp_path}/scanside.sqlite")
    yield opened
    opened.dispose()


@pytest.fixture
def desk(engine, tmp_path):
    metrics = make_metrics(CollectorRegistry())
    return Desk(outbox=Outbox(engine), reports=Reports(tmp_path / "reports"), metrics=metrics, worker="w")
