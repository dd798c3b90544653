"""Procedure steps by MPPS, from a real SCU to the receiver and on to complete series."""

from io import BytesIO

import pytest
from builders.images.push import peer, push_series, slices
from builders.peers.receiver import Receiver
from builders.running.intake import Intake
from pydicom import Dataset
from pydicom.sequence import Sequence
from pynetdicom import AE
from pynetdicom.dimse_primitives import N_CREATE

from daemon.core.steps import StepState
from daemon.core.values import ClosedBy
from daemon.dicom.parsing import parse
from daemon.dicom.protocol.mpps import begun, ended
from daemon.edge.delivery.reactor import parked_reactor
from daemon.edge.delivery.scanner import create_step, set_step

MPPS = "1.2.840.10008.3.1.2.3.3"
NOW = "20260101120000"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory):
    with Receiver(tmp_path_factory.mktemp("receiver") / "spool") as started:
        yield started


@pytest.fixture(scope="module")
def receiving(tmp_path_factory):
    with Intake(tmp_path_factory.mktemp("intake"), stray_s=1.0, quiet_s=30.0) as started:
        yield started


@pytest.fixture
def intake(receiving):
    receiving.closed.clear()
    return receiving


def in_progress():
    return begun("1.2.3", "MR1", NOW)


def over(state, *series):
    images = [(i.series_instance_uid, i.sop_class_uid, i.sop_instance_uid) for images in series for i in images]
    return ended(state, images, NOW)


def step_of(**values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def status(value):
    return step_of(PerformedProcedureStepStatus=value)


def test_a_step_is_created_changed_and_ended(tmp_path):
    with Receiver(tmp_path / "spool") as receiver:
        report_a_step(receiver)


def report_a_step(receiver):
    scanner = peer(receiver.port)

    assert 0x0000 == create_step(scanner, "1.2.1", in_progress())
    assert 0x0000 == set_step(scanner, "1.2.1", step_of(PerformedProcedureStepDescription="head"))
    assert 0x0000 == set_step(scanner, "1.2.1", over(StepState.COMPLETED))
    assert 3 == receiver.counts(steps=3).steps


@pytest.mark.parametrize(
    ("expected", "uid", "attributes"),
    [
        (0x0111, "1.2.10", in_progress()),
        (0x0120, "1.2.12", step_of(Modality="MR")),
        (0x0121, "1.2.12", status("")),
        (0x0106, "1.2.12", status("COMPLETED")),
        (0x0106, "1.2.12", status("NONSENSE")),
    ],
)
def test_a_step_that_cannot_be_created_is_refused_as_the_standard_says(receiver, expected, uid, attributes):
    create_step(peer(receiver.port), "1.2.10", in_progress())

    assert expected == create_step(peer(receiver.port), uid, attributes)


@pytest.mark.parametrize("final", [StepState.COMPLETED, StepState.DISCONTINUED])
def test_a_step_that_has_ended_is_never_changed(receiver, final):
    scanner, uid = peer(receiver.port), f"1.2.20.{len(final)}"
    create_step(scanner, uid, in_progress())
    set_step(scanner, uid, over(final))

    assert 0x0110 == set_step(scanner, uid, over(StepState.COMPLETED))
    assert 0x0111 == create_step(scanner, uid, in_progress())


def test_an_unknown_step_is_not_changed(receiver):
    assert 0x0112 == set_step(peer(receiver.port), "1.2.30", over(StepState.COMPLETED))


def test_changes_to_nonsense_are_refused(receiver):
    scanner = peer(receiver.port)
    create_step(scanner, "1.2.40", in_progress())

    assert 0x0106 == set_step(scanner, "1.2.40", status("NONSENSE"))
    assert 0x0121 == set_step(scanner, "1.2.40", status(""))
    assert 0x0000 == set_step(scanner, "1.2.40", status("COMPLETED"))


def test_what_was_answered_outlives_a_kill(tmp_path):
    first = Receiver(tmp_path / "spool")
    create_step(peer(first.port), "1.2.1", in_progress())
    create_step(peer(first.port), "1.2.2", in_progress())
    set_step(peer(first.port), "1.2.2", over(StepState.COMPLETED))
    first.kill()
    with Receiver(tmp_path / "spool") as second:
        scanner = peer(second.port)

        assert 0x0111 == create_step(scanner, "1.2.1", in_progress())
        assert 0x0110 == set_step(scanner, "1.2.2", over(StepState.COMPLETED))
        assert 0x0000 == set_step(scanner, "1.2.1", over(StepState.COMPLETED))


def test_no_name_of_a_file_tells_a_uid(receiver):
    create_step(peer(receiver.port), "1.2.51515", in_progress())

    assert not [path for path in receiver.folder.rglob("*") if "51515" in path.name]


def associated(receiver):
    ae = AE(ae_title="MR1")
    ae.add_requested_context(MPPS, "1.2.840.10008.1.2")
    association = ae.associate("127.0.0.1", receiver.port, ae_title="SCANSIDE")
    assert association.is_established
    return association


def raw(association, dataset):
    """Send a message whose data set pynetdicom would never make; the answer, None where the peer aborts."""
    with parked_reactor(association):
        association.dimse.send_msg(dataset, association.accepted_contexts[0].context_id)
        return association.dimse.get_msg(block=True)[1]


@pytest.mark.parametrize("content", [b"\0", b"\xff" * 1000, b"\x40\x00\x52\x02\xff\xff\xff\xff" * 200, bytes(1 << 20)])
def test_malformed_reports_are_answered_and_harm_nothing(receiver, content):
    association = associated(receiver)
    request = N_CREATE()
    request.MessageID, request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = 1, MPPS, "1.2.60"
    request.AttributeList = BytesIO(content)
    answer = raw(association, request)
    association.release()

    assert answer.Status in {0x0106, 0x0120, 0x0121}
    assert 0x0112 == set_step(peer(receiver.port), "1.2.60", status("COMPLETED"))


def test_a_report_larger_than_any_real_one_is_aborted_and_the_receiver_goes_on(receiver):
    association = associated(receiver)
    request = N_CREATE()
    request.MessageID, request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = 1, MPPS, "1.2.70"
    request.AttributeList = BytesIO(bytes(17 << 20))

    assert raw(association, request) is None
    association.abort()
    assert 0x0000 == create_step(peer(receiver.port), "1.2.70", in_progress())


def test_a_list_of_ten_thousand_images_is_taken_and_read(intake):
    images = slices(6)
    many = [("1.2.825.9", images[0].sop_class_uid, f"1.2.825.9.{n}") for n in range(10_000)]
    listed = [(i.series_instance_uid, i.sop_class_uid, i.sop_instance_uid) for i in images]
    scanner = peer(intake.port)
    create_step(scanner, "1.2.80", in_progress())

    assert 0x0000 == set_step(scanner, "1.2.80", ended(StepState.COMPLETED, [*many, *listed], NOW))
    push_series(intake.port, images)
    (series,) = intake.run(1)
    assert (ClosedBy.MPPS, False, 6) == (series.closed_by, series.partial, len(series.instances))


def test_a_report_on_a_context_for_images_is_refused(receiver):
    ae = AE(ae_title="MR1")
    ae.add_requested_context("1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.2")
    association = ae.associate("127.0.0.1", receiver.port, ae_title="SCANSIDE")
    request = N_CREATE()
    request.MessageID, request.AffectedSOPInstanceUID = 1, "1.2.90"
    request.AffectedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    request.AttributeList = BytesIO(b"\0\0")

    assert 0x0118 == raw(association, request).Status
    association.release()


@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_a_completed_step_closes_its_series_as_soon_as_the_images_are_there(intake, when):
    """On an association that stays open, and without a count: nothing else would close them before 30 s."""
    images, scanner, begin = slices(), peer(intake.port), f"1.2.100.{len(when)}"
    create_step(scanner, begin, in_progress())
    halves = {"before": [images], "between": [images[:5], images[5:]], "after": [images]}[when]
    held = AE(ae_title="MR1")
    held.add_requested_context(images[0].sop_class_uid, images[0].transfer_syntax_uid)
    association = held.associate("127.0.0.1", intake.port, ae_title="SCANSIDE")
    if when == "before":
        set_step(scanner, begin, over(StepState.COMPLETED, images))
    for number, half in enumerate(halves):
        store(association, half)
        if number == 0 and when != "before":
            intake.run(idle=0.3)
            assert [] == intake.closed
            set_step(scanner, begin, over(StepState.COMPLETED, images))
    (series,) = intake.run(1, 10.0)
    association.release()

    assert (ClosedBy.MPPS, False, 12, 1) == (
        series.closed_by,
        series.partial,
        len(series.instances),
        series.revision,
    )
    intake.run(1, idle=1.5)
    assert 1 == len(intake.closed)


def store(association, images):
    with parked_reactor(association):
        for image in images:
            dataset = parse(image.encoded(), image.transfer_syntax_uid)
            assert 0x0000 == association.send_c_store(dataset).Status


def test_an_image_that_the_step_lists_and_that_never_comes_leaves_the_series_partial(intake):
    """An end slice: the geometry shows no gap."""
    images = slices()
    create_step(peer(intake.port), "1.2.110", in_progress())
    set_step(peer(intake.port), "1.2.110", over(StepState.COMPLETED, images))
    push_series(intake.port, images[:-1])
    (series,) = intake.run(1)

    assert (ClosedBy.MPPS, True, 11) == (series.closed_by, series.partial, len(series.instances))


def test_a_step_that_comes_late_corrects_the_mark_of_a_closed_series(intake):
    images = slices()
    create_step(peer(intake.port), "1.2.120", in_progress())
    push_series(intake.port, images[:-1])
    intake.run(1)
    set_step(peer(intake.port), "1.2.120", over(StepState.COMPLETED, images))
    intake.run(2)
    push_series(intake.port, images[-1:])
    first, second, third = intake.run(3)

    assert (ClosedBy.RELEASE, False, 1) == (first.closed_by, first.partial, first.revision)
    assert (ClosedBy.MPPS, True, 2) == (second.closed_by, second.partial, second.revision)
    assert (ClosedBy.MPPS, False, 3, 12) == (third.closed_by, third.partial, third.revision, len(third.instances))


@pytest.mark.parametrize("ends", [False, True])
def test_a_restart_keeps_what_the_step_said(intake, ends):
    images = slices()
    create_step(peer(intake.port), f"1.2.130.{ends:d}", in_progress())
    push_series(intake.port, images[:5], aborts=0)
    set_step(peer(intake.port), f"1.2.130.{ends:d}", over(StepState.COMPLETED, images))
    intake.run(1 if ends else 0, idle=0.1)
    intake.restart()
    push_series(intake.port, images[5:])
    series = intake.run(2 if ends else 1)[-1]

    assert (ClosedBy.MPPS, False, 12) == (series.closed_by, series.partial, len(series.instances))


def test_a_discontinued_step_closes_what_it_made_and_the_geometry_decides(intake):
    whole, cut = slices(), slices()
    left = [*cut[:4], *cut[6:]]
    create_step(peer(intake.port), "1.2.140", in_progress())
    set_step(peer(intake.port), "1.2.140", over(StepState.DISCONTINUED, whole, left))
    push_series(intake.port, whole, left)
    found = {s.series_instance_uid: s for s in intake.run(2)}

    assert {ClosedBy.MPPS} == {s.closed_by for s in found.values()}
    assert not found[whole[0].series_instance_uid].partial
    assert found[cut[0].series_instance_uid].partial


def test_the_simulated_scanner_reports_its_steps(intake):
    push_series(intake.port, slices(), slices(), step=StepState.COMPLETED, seed=4, drop=2)
    first, second = intake.run(2)

    assert {ClosedBy.MPPS} == {first.closed_by, second.closed_by}
    assert first.partial
    assert second.partial


def test_a_sequence_of_undefined_length_is_read_too(intake):
    images = slices()
    attributes = over(StepState.COMPLETED, images)
    attributes["PerformedSeriesSequence"].is_undefined_length = True
    for item in attributes.PerformedSeriesSequence:
        item.is_undefined_length_sequence_item = True
        item["ReferencedImageSequence"].is_undefined_length = True
    item.ReferencedNonImageCompositeSOPInstanceSequence = Sequence()
    create_step(peer(intake.port), "1.2.150", in_progress())
    set_step(peer(intake.port), "1.2.150", attributes)
    push_series(intake.port, images)

    assert ClosedBy.MPPS is intake.run(1)[0].closed_by
