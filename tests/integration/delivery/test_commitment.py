"""Storage commitment with a real Orthanc: what it keeps is committed, what it lost is delivered again."""

import time
from functools import partial

import pytest
from archive import free_port, running_archive
from builders.running.daemon import wait_until
from builders.running.outbox import owe, save, sop_uid
from pydicom import Dataset
from pydicom.uid import MRImageStorage
from pynetdicom import AE, build_role
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from daemon.core.errors import ConfigError, DeliveryRefused, DestinationUnreachable
from daemon.core.sending.commitment import Outcome
from daemon.core.values import Stage, State
from daemon.edge.database.outbox import Outbox
from daemon.edge.database.pledges import Pledges
from daemon.edge.database.results import Results
from daemon.edge.delivery.commitment import CommitmentScu, CommitmentSettings, listening
from daemon.edge.delivery.dicom import Peer, StorageScu
from daemon.edge.delivery.reactor import parked_reactor
from daemon.sending.committing import Committer, take_outcome
from daemon.sending.delivering import Deliverer

WEEK_S = 604800.0


def peer(port: int, calling_ae: str = "SCANSIDE_SC", ae_title: str = "ORTHANC") -> Peer:
    return Peer(name="pacs", host="127.0.0.1", port=port, ae_title=ae_title, calling_ae=calling_ae, timeout_s=5)


def states(engine) -> dict[str, tuple[str, str | None]]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT sop_instance_uid, commitment, parked FROM deliveries")
        return {row[0]: (row[1], row[2]) for row in rows}


def test_what_the_archive_keeps_is_committed_and_what_it_lost_is_delivered_again(engine, services, tmp_path):
    pledges, port = Pledges(engine), free_port()
    for number in range(3):
        save(services.reports, number)
        owe(engine, number, at=time.time())
    modalities = {"scanside": ["SCANSIDE_SC", "127.0.0.1", port]}
    settings = CommitmentSettings(host="127.0.0.1", port=port)
    with (
        running_archive(tmp_path, DicomModalities=modalities) as archive,
        listening(settings, partial(take_outcome, pledges)),
    ):
        deliverer = Deliverer(services, StorageScu(peer(archive.dicom_port)), WEEK_S, commitment=True)
        scu = CommitmentScu(peer(archive.dicom_port), partial(take_outcome, pledges))
        committer = Committer(services, pledges, scu, WEEK_S)
        while deliverer.turn() == 0.0:
            pass
        archive.forget(sop_uid(1))
        committer.turn()
        wait_until(lambda: [("committed", None), ("", None), ("committed", None)] == list(states(engine).values()))
        assert Stage.DELIVERING is Results(engine).record("1.2.9.1", 1).stage
        while deliverer.turn() == 0.0:
            pass
        committer.turn()
        wait_until(lambda: {("committed", None)} == set(states(engine).values()))

        assert 3 == archive.counts()[3]
        assert Stage.DONE is Results(engine).record("1.2.9.1", 1).stage


def delivered(engine, number):
    """A series whose report is delivered and owes its commitment; the transaction that asks about it."""
    owe(engine, number, State.ACCEPT)
    outbox = Outbox(engine)
    outbox.delivered(outbox.claim("pacs", "w", 1e9), 100.0, commitment=True)
    Pledges(engine).claim("pacs", f"2.25.{number}", 100.0, 200.0)
    return f"2.25.{number}"


def answer(transaction, failed=None, committed=()):
    return Outcome(transaction_uid=transaction, committed=frozenset(committed), failed=failed or {})


def test_what_no_second_delivery_mends_is_parked_with_its_reason(engine):
    transaction = delivered(engine, 1)
    answered = Pledges(engine).settle(answer(transaction, {sop_uid(1): 0x0122}), 101.0)

    assert (0, 0, 1) == (answered.committed, answered.resent, answered.parked)
    assert "does not commit it (failure reason 0122)" in states(engine)[sop_uid(1)][1]
    assert 1 == Outbox(engine).requeue(102.0)


def test_an_archive_that_never_keeps_an_object_gets_it_a_few_times_only(engine):
    outbox, pledges, rounds = Outbox(engine), Pledges(engine), 0
    transaction = delivered(engine, 1)
    while pledges.settle(answer(transaction, {sop_uid(1): 0x0112}), 101.0).resent:
        outbox.delivered(outbox.claim("pacs", "w", 1e9), 102.0, commitment=True)
        transaction = f"2.25.9{rounds}"
        pledges.claim("pacs", transaction, 103.0, 200.0)
        rounds += 1

    assert 3 == rounds
    assert 1 == len(outbox.parked())


def test_an_answer_counts_once_and_only_if_somebody_asked(engine):
    transaction, pledges = delivered(engine, 1), Pledges(engine)

    assert pledges.settle(answer("2.25.77", {sop_uid(1): 0x0112}), 101.0) is None
    assert 1 == pledges.settle(answer(transaction, committed=[sop_uid(1)]), 101.0).committed
    later = pledges.settle(answer(transaction, {sop_uid(1): 0x0112}), 102.0)
    assert (0, 0, 0) == (later.committed, later.resent, later.parked)
    assert ("committed", None) == states(engine)[sop_uid(1)]


def test_without_an_answer_it_is_asked_again_and_given_up_in_the_end(engine):
    delivered(engine, 1)
    pledges = Pledges(engine)

    assert [] == pledges.claim("pacs", "2.25.8", 199.0, 300.0)
    assert [sop_uid(1)] == pledges.claim("pacs", "2.25.9", 201.0, 300.0)
    assert 0 == pledges.give_up("pacs", 99.0)
    assert 1 == pledges.give_up("pacs", 101.0)
    assert ("unanswered", None) == states(engine)[sop_uid(1)]


def report(port: int, dataset: Dataset | None) -> int:
    """Report to the listener as an archive does; the status answered."""
    ae = AE(ae_title="ORTHANC")
    ae.add_requested_context(StorageCommitmentPushModel)
    role = build_role(StorageCommitmentPushModel, scp_role=True)
    association = ae.associate("127.0.0.1", port, ae_title="SCANSIDE_SC", ext_neg=[role])
    assert association.is_established
    try:
        with parked_reactor(association):
            status, _ = association.send_n_event_report(
                dataset, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
            )
        return status.Status
    finally:
        association.release()


def test_nonsense_and_what_nobody_asked_for_is_refused_and_changes_nothing(engine):
    transaction, pledges = delivered(engine, 1), Pledges(engine)
    unknown, nameless, broken = Dataset(), Dataset(), Dataset()
    unknown.TransactionUID, broken.TransactionUID = "2.25.4711", transaction
    broken.ReferencedSOPSequence, nameless.FailedSOPSequence = [Dataset()], []
    with listening(CommitmentSettings(host="127.0.0.1", port=0), partial(take_outcome, pledges)) as port:
        assert [0x0110] * 3 == [report(port, dataset) for dataset in (unknown, nameless, broken)]
        with (
            pytest.raises(ConfigError, match=str(port)),
            listening(CommitmentSettings(host="127.0.0.1", port=port), bool),
        ):
            pass

    assert ("asked", None) == states(engine)[sop_uid(1)]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # pynetdicom leaves a socket that could not connect to gc
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_archive_that_offers_none_or_is_away_says_so():
    ae = AE(ae_title="ORTHANC")
    ae.add_supported_context(MRImageStorage)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    try:
        with pytest.raises(DeliveryRefused, match="commitment = false"):
            CommitmentScu(peer(server.socket.getsockname()[1]), bool).ask("2.25.1", [(MRImageStorage, "2.25.2")])
    finally:
        server.shutdown()
    with pytest.raises(DestinationUnreachable):
        CommitmentScu(peer(free_port()), bool).ask("2.25.1", [(MRImageStorage, "2.25.2")])
