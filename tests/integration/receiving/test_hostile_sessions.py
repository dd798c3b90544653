"""A seeded mutation fuzz of requests and associations, without the processes about them: many cases in little time.

``SCANSIDE_FUZZ_SESSIONS`` sets how many (a short run by default), ``SCANSIDE_FUZZ_SEED`` the first seed.
"""

import os
import random
import socket
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pydicom.config
import pytest
from builders.peers.fuzz import messages, mutated, mutated_pdu
from builders.peers.peer import ECHO, MR, RELEASE_REQUEST, STEPS, association_request
from builders.running.spool import events, spool_settings
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage
from pynetdicom.dsutils import decode
from pynetdicom.sop_class import Verification

from daemon.core.errors import PeerLost, ProtocolError
from daemon.core.values import Arrival
from daemon.dicom.protocol.pdu import HEAD, fragments
from daemon.edge.receiving.negotiation import Context, accept, decode_proposal, supported_contexts
from daemon.edge.receiving.pdu_stream import PduStream
from daemon.edge.receiving.status import Counters
from daemon.edge.receiving.step_book import StepBook
from daemon.edge.receiving.storage_session import AssociationContext, StorageSession
from daemon.edge.spool.writer import SpoolWriter

SESSIONS = int(os.environ.get("SCANSIDE_FUZZ_SESSIONS", "500"))
SEED = int(os.environ.get("SCANSIDE_FUZZ_SEED", "1"))
#: A spool is looked through, and left, after so many.
LOT = 5000

CONTEXTS = {
    MR: Context(MRImageStorage, ExplicitVRLittleEndian),
    ECHO: Context(Verification, ImplicitVRLittleEndian),
    STEPS: Context("1.2.840.10008.3.1.2.3.3", ExplicitVRLittleEndian),
}
PARTIES = AssociationContext(calling_ae="SCANNER", called_ae="SCANSIDE", contexts=CONTEXTS, object_bytes_max=100_000)
C_STORE_RESPONSE = 0x8001


class Site:
    """A spool and its book of steps, and a pair of sockets for each association."""

    def __init__(self, folder):
        self.folder = folder
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._writer = SpoolWriter(spool_settings(folder))
        self._steps, self.counters = StepBook(self._writer, 100), Counters()

    def serve(self, sent: bytes) -> int:
        """One association on which ``sent`` comes; how many images were acknowledged."""
        with socket.create_connection(self._listener.getsockname()) as peer:
            served, _ = self._listener.accept()
            with served:
                peer.sendall(sent)
                peer.shutdown(socket.SHUT_WR)
                with suppress(PeerLost, ProtocolError):
                    StorageSession(PduStream(served, 5.0), PARTIES, self._writer, self._steps, self.counters).run()
                served.shutdown(socket.SHUT_WR)
                return acknowledged(peer.makefile("rb").read())

    def close(self):
        self._writer.close()
        self._listener.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def acknowledged(answers: bytes) -> int:
    """The C-STORE responses of success among some PDUs."""
    count = 0
    while answers:
        _, length = HEAD.unpack(answers[: HEAD.size])
        (fragment,) = fragments(answers[HEAD.size : HEAD.size + length])
        answers = answers[HEAD.size + length :]
        response = decode(BytesIO(fragment.content), is_implicit_vr=True, is_little_endian=True)
        count += (response.CommandField, response.Status) == (C_STORE_RESPONSE, 0x0000)
    return count


@pytest.fixture(autouse=True)
def as_the_receiver_reads(monkeypatch):
    """Without pydicom's warnings, which quote what a peer sent (daemon/line/intake.py)."""
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)


@pytest.mark.parametrize("first", range(SEED, SEED + SESSIONS, LOT))
def test_whatever_the_requests_the_spool_holds_what_was_acknowledged_and_nothing_else(first, tmp_path):
    site = Site(tmp_path / "spool")
    try:
        assert 2 == site.serve(b"".join([*messages(random.Random(0)), RELEASE_REQUEST]))
        files = open_files()
        for seed in range(first, min(first + LOT, SEED + SESSIONS)):
            rng, before = random.Random(seed), site.counters.counts.instances
            stored = site.serve(b"".join(mutated([*messages(rng), RELEASE_REQUEST], rng)))
            assert stored == site.counters.counts.instances - before, f"seed {seed}"
        assert files == open_files()
    finally:
        site.close()
    arrivals = [event for event in events(site.folder) if isinstance(event, Arrival)]
    assert site.counters.counts.instances == len(arrivals)
    assert len(arrivals) > min(LOT, SESSIONS) // 4  # most mutations leave one of the two images whole
    assert 0 == site.counters.counts.write_failures


def test_whatever_is_proposed_is_answered_or_breaks_the_protocol_by_name():
    supported, accepted = supported_contexts(enhanced=True), 0
    for seed in range(SEED, SEED + SESSIONS):
        body = mutated_pdu(association_request()[HEAD.size :], random.Random(seed))
        try:
            proposal = decode_proposal(body)
        except ProtocolError:
            continue
        accepted += bool(accept(proposal, supported, 16384).contexts)

    assert accepted
