"""Pushing as a scanner does, to the real receiver: every instance is answered, at once, however many there are."""

import threading
import time

import pytest
from builders_receiver import Receiver, mr_dataset

from daemon.core.errors import DeliveryFailed
from daemon.edge.destinations import Peer
from daemon.edge.scanner import push


def peer(port, **changes):
    facts = {"name": "receiver", "host": "127.0.0.1", "ae_title": "SCANSIDE", "calling_ae": "MR1", "timeout_s": 5.0}
    return Peer(port=port, **facts | changes)


def test_thousands_of_instances_are_answered_without_a_stall(tmp_path):
    """pynetdicom alone loses one response in some thousand, and the push ends in its timeout."""
    receiver = Receiver(tmp_path / "spool")
    try:
        for batch in range(8):
            assert 250 == push((mr_dataset(1 + 250 * batch + n) for n in range(250)), peer(receiver.port))
    finally:
        receiver.kill()


def test_no_thread_is_left_behind(tmp_path):
    receiver = Receiver(tmp_path / "spool")
    try:
        push([mr_dataset(1)], peer(receiver.port))
        before = threading.active_count()
        for number in range(2, 6):
            push([mr_dataset(number)], peer(receiver.port))
        time.sleep(0.5)
    finally:
        receiver.kill()

    assert threading.active_count() <= before


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_receiver_that_dies_is_a_clear_error(tmp_path):
    receiver = Receiver(tmp_path / "spool")

    def instances():
        yield mr_dataset(1)

    receiver.kill()
    with pytest.raises(DeliveryFailed, match="cannot be reached"):
        push(instances(), peer(receiver.port))
