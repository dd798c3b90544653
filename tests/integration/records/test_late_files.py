"""A report's files on a real PostgreSQL: whoever was given up on the way cannot change what was published since."""

from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from builders.running.database import closed, opened

from daemon.core.values import State, Verdict
from daemon.edge.database.results import Published, Results
from daemon.edge.durable import drafted


@pytest.fixture
def database(server):
    """Of one series that is closed and not judged."""
    url = server.database()
    with opened(url) as engine:
        closed(engine, "a")
    return url


@contextmanager
def worker(database):
    """Another process' results."""
    with opened(database) as engine:
        yield Results(engine)


def publish(results, place):
    verdict = Verdict(state=State.ACCEPT, action="go on", reasons=(), rating=80)
    published = Published(
        verdict=verdict, assessment=None, description="", seconds={}, objects={"SR": "9.1"}, bundle="b", at=103.0
    )
    ((uid, revision),) = results.unjudged()
    return results.publish(uid, revision, published, (), place)


def test_files_of_a_transaction_that_the_server_ended_replace_nothing(server, database, tmp_path):
    """Stopped after its statements and before its files: another judges, publishes, and only then it wakes."""
    files = [tmp_path / name for name in ("sr.dcm", "picture.png")]

    def woken(place):
        def late(ask):
            held = f"datname = '{database.rpartition('/')[2]}' AND state = 'idle in transaction'"
            server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {held}")
            with worker(database) as other, drafted(dict.fromkeys(files, b"the one that counts")) as now:
                assert publish(other, now)
            place(ask)

        return late

    with (
        worker(database) as results,
        drafted(dict.fromkeys(files, b"late")) as place,
        pytest.raises(sa.exc.OperationalError),
    ):
        publish(results, woken(place))
    assert dict.fromkeys(files, b"the one that counts") == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_files_that_a_lost_worker_left_without_a_verdict_are_replaced(database, tmp_path):
    left = tmp_path / "sr.dcm"
    left.write_bytes(b"left by a crash before its commit")

    with worker(database) as results, drafted({left: b"the one that counts"}) as place:
        assert publish(results, place)
    assert [b"the one that counts"] == [path.read_bytes() for path in tmp_path.iterdir()]


def test_a_disk_without_links_takes_files_too(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    with drafted({tmp_path / "sr.dcm": b"SR"}) as place:
        place(lambda: None)

    assert [b"SR"] == [path.read_bytes() for path in tmp_path.iterdir()]


def test_drafts_that_are_not_placed_leave_nothing(tmp_path):
    with drafted({tmp_path / "sr.dcm": b"SR"}):
        assert 1 == len([*tmp_path.iterdir()])

    assert [] == [*tmp_path.iterdir()]
