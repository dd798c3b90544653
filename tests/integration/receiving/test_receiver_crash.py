"""kill -9 of the receiver at random moments while associations send: what was acknowledged is there.

``SCANSIDE_KILLS`` sets how often (a short run by default), ``SCANSIDE_KILL_SEED`` the moments.
"""

import os
import random
import threading
import time
from contextlib import suppress

from builders.peers.peer import Peer
from builders.peers.receiver import Receiver
from builders.running.spool import events

from daemon.core.values import Arrival
from daemon.edge.spool.reader import SpoolReader

KILLS = int(os.environ.get("SCANSIDE_KILLS", "10"))
SEED = int(os.environ.get("SCANSIDE_KILL_SEED", "1"))
SENDERS = 4


def dataset_of(number: int) -> bytes:
    """What instance ``number`` holds: 1 byte to 200 kB."""
    rng = random.Random(number)
    return rng.randbytes(rng.choice((1, 700, 33_000, 135_000, 200_000)))


class Sender(threading.Thread):
    """Sends instance after instance until the receiver is gone; notes which were acknowledged."""

    def __init__(self, port: int, first: int) -> None:
        super().__init__()
        self._port = port
        self._first = first
        self.acknowledged: list[int] = []

    def run(self) -> None:
        with suppress(ConnectionError), Peer(self._port) as peer:
            peer.associate()
            number = self._first
            while peer.store(f"1.2.{number}", dataset_of(number), 50_000) == 0x0000:
                self.acknowledged.append(number)
                number += SENDERS


def test_nothing_acknowledged_is_lost_or_corrupt_however_often_the_receiver_is_killed(tmp_path):
    rng = random.Random(SEED)
    acknowledged: list[int] = []
    for kill in range(KILLS):
        receiver = Receiver(tmp_path / "spool", spool={"segment_bytes": 3_000_000})
        senders = [Sender(receiver.port, kill * 1_000_000 + number) for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        time.sleep(rng.uniform(0.0, 0.5))
        receiver.kill()
        for sender in senders:
            sender.join()
            acknowledged += sender.acknowledged
        if kill % 10 == 9:
            acknowledged = _verified_and_pruned(tmp_path / "spool", acknowledged)

    with Receiver(tmp_path / "spool") as receiver, Peer(receiver.port) as peer:
        assert 0x0000 == peer.associate().store("1.2.3", b"after all that")
    assert [] == _verified_and_pruned(tmp_path / "spool", acknowledged)


def _verified_and_pruned(folder, acknowledged: list[int]) -> list[int]:
    """Check what was acknowledged, then make room: a thousand kills leave gigabytes. Returns what is still to check."""
    Receiver(folder).stop()
    reader = SpoolReader(folder)
    arrivals = {event.sop_instance_uid: event for event in events(folder) if isinstance(event, Arrival)}
    for number in acknowledged:
        assert f"1.2.{number}" in arrivals, f"instance {number} was acknowledged and is lost"
        assert dataset_of(number) == reader.dataset_bytes(arrivals[f"1.2.{number}"]), f"instance {number} is corrupt"
    print(f"{len(acknowledged)} acknowledged, {len(arrivals)} found")  # noqa: T201 - shown with -s, for the long run
    for segment in reader.segments():
        if not segment.newest:
            reader.remove(segment.name)
    return []
