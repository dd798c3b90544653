"""A receiver with a life of its own: the daemon beside it may end and be replaced, and no scanner notices."""

import subprocess
from contextlib import contextmanager

import pytest
from builders.running.daemon import CHEAP, SCANSIDE, running_daemon, start_beside, wait_until, write_series

RATE = 5  # images a second: a push lasts while the daemon is killed and started again


@pytest.fixture
def daemon(tmp_path):
    with running_daemon(tmp_path, extra=CHEAP, options=("--no-receive",), ready=False) as running:
        yield running


@contextmanager
def running_receiver(daemon):
    """A receiver beside the daemon; ended in the end, however it stands."""
    process = start_beside(daemon, daemon.config.with_name("receiver.log"), "receive")
    try:
        yield process
    finally:
        process.kill()
        process.wait(120)


def test_a_push_outlives_the_daemon_and_every_image_of_it_is_judged(daemon, tmp_path):
    wait_until(lambda: "the receiver does not run" in daemon.obstacles())
    assert any(line.startswith("scanside_spool_free") for line in daemon.metrics())
    with running_receiver(daemon) as receiver:
        daemon.wait_until_ready()
        uid, files = write_series(tmp_path / "series", 1, "apart")
        options = ("--config", str(daemon.config), "--calling", "MR1", "--rate", str(RATE))
        push = subprocess.Popen([*SCANSIDE, "push", *options, str(files[0].parent)])
        wait_until(lambda: any(line.startswith("scanside_instances_received_total{") for line in daemon.metrics()))
        daemon.kill()
        assert None is push.poll()
        assert None is receiver.poll()
        assert 0 == push.wait(60)
        daemon.start()

        assert len(files) == daemon.done(uid)["images"]
        assert receiver.pid == daemon.receiver_pid()
        assert 0 == daemon.stop()
        assert None is receiver.poll()
        receiver.terminate()
        assert 0 == receiver.wait(120)


def test_the_end_of_the_receiver_is_said(daemon):
    with running_receiver(daemon):
        daemon.wait_until_ready()
    wait_until(lambda: "the receiver does not run" in daemon.obstacles())
