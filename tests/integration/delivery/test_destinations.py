"""Reports to real peers: what is delivered, what is worth another try, and what is refused for good."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import pytest
from archive import free_port, running_archive
from builders.judging.report import make_header, make_judgement, make_series
from pydicom import dcmread
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, evt

from daemon.core.errors import DeliveryFailed, DeliveryRefused
from daemon.core.values import ReportObject
from daemon.dicom.report.evidence import gather_evidence
from daemon.dicom.report.sr import build_sr
from daemon.dicom.report.summary import build_summary, render_summary
from daemon.edge.delivery.dicom import Peer, StorageScu
from daemon.edge.delivery.outlets import FolderOutlet, make_destination


@pytest.fixture(scope="module")
def report() -> ReportObject:
    return build_sr(gather_evidence(make_series(24), make_header()), make_judgement())


def scu(port: int, ae_title: str = "ARCHIVE", **settings) -> StorageScu:
    return StorageScu(
        Peer(
            name="pacs", host="127.0.0.1", port=port, ae_title=ae_title, calling_ae="SCANSIDE", timeout_s=5, **settings
        )
    )


@contextmanager
def peer(status: int = 0x0000, sop_class: str = Comprehensive3DSRStorage) -> Iterator[tuple[int, list[str]]]:
    """A storage SCP that takes one SOP class and answers each object with ``status``; its port and what came."""
    came: list[str] = []

    def store(event: evt.Event) -> int:
        came.append(event.request.AffectedSOPInstanceUID)
        return status

    ae = AE(ae_title="ARCHIVE")
    ae.require_called_aet = True
    ae.add_supported_context(sop_class, ExplicitVRLittleEndian)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        yield server.socket.getsockname()[1], came
    finally:
        server.shutdown()


@pytest.fixture(scope="module")
def picture() -> ReportObject:
    judgement = make_judgement()
    return build_summary(gather_evidence(make_series(3), make_header()), judgement, render_summary(judgement))


@pytest.mark.parametrize(
    ("taken", "compressed", "expected"),
    [
        ([JPEGLSLossless, RLELossless, ExplicitVRLittleEndian], True, JPEGLSLossless),
        ([ExplicitVRLittleEndian, RLELossless], True, RLELossless),
        ([ExplicitVRLittleEndian], True, ExplicitVRLittleEndian),
        ([JPEGLSLossless, RLELossless, ExplicitVRLittleEndian], False, ExplicitVRLittleEndian),
    ],
)
def test_a_peer_gets_a_picture_in_the_smallest_syntax_that_it_takes(picture, taken, compressed, expected):
    came = []

    def store(event: evt.Event) -> int:
        came.append(dcmread(BytesIO(event.encoded_dataset())))
        return 0x0000

    ae = AE(ae_title="ARCHIVE")
    ae.add_supported_context(SecondaryCaptureImageStorage, taken)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        scu(server.socket.getsockname()[1], compressed=compressed).deliver(picture)
    finally:
        server.shutdown()
    (received,) = came

    assert expected == received.file_meta.TransferSyntaxUID
    assert picture.sop_instance_uid == received.SOPInstanceUID
    assert (dcmread(BytesIO(picture.payload)).pixel_array == received.pixel_array).all()


def test_a_real_archive_keeps_a_picture_compressed(picture, tmp_path):
    with running_archive(tmp_path) as archive:
        scu(archive.dicom_port, "ORTHANC").deliver(picture)
        kept = dcmread(BytesIO(archive.instance(picture.sop_instance_uid)))

    assert JPEGLSLossless == kept.file_meta.TransferSyntaxUID
    assert dcmread(BytesIO(picture.payload)) == kept


@pytest.mark.parametrize(("compressed", "expected"), [(False, ExplicitVRLittleEndian), (True, JPEGLSLossless)])
def test_a_folder_gets_pictures_as_its_setting_says_again_and_again(picture, tmp_path, compressed, expected):
    destination = make_destination(FolderOutlet(name="share", path=tmp_path, compressed=compressed), "SCANSIDE")
    for _ in range(2):
        destination.deliver(picture)
    (path,) = tmp_path.iterdir()

    assert expected == dcmread(path).file_meta.TransferSyntaxUID
    assert "share" == destination.name


def test_a_real_archive_takes_the_report(report, tmp_path):
    with running_archive(tmp_path) as archive:
        scu(archive.dicom_port, "ORTHANC").deliver(report)

        assert archive.instance(report.sop_instance_uid)


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB006, 0xB007])
def test_success_and_warnings_are_deliveries(report, status):
    with peer(status) as (port, came):
        scu(port).deliver(report)

    assert [report.sop_instance_uid] == came


@pytest.mark.parametrize("status", [0xA700, 0xA7FF])
def test_a_peer_short_of_resources_is_tried_again(report, status):
    with peer(status) as (port, _), pytest.raises(DeliveryFailed, match="resources"):
        scu(port).deliver(report)


@pytest.mark.parametrize("status", [0xA900, 0xC000, 0x0122])
def test_a_refused_object_is_refused_for_good(report, status):
    with peer(status) as (port, _), pytest.raises(DeliveryRefused, match=f"{status:04X}"):
        scu(port).deliver(report)


def test_a_peer_that_does_not_know_the_sop_class_refuses_for_good(report):
    """Pynetdicom aborts an association none of whose contexts was accepted; that is no passing trouble."""
    with (
        peer(sop_class=SecondaryCaptureImageStorage) as (port, came),
        pytest.raises(DeliveryRefused, match="SOP class"),
    ):
        scu(port).deliver(report)

    assert not came


def test_an_unknown_ae_title_is_refused_for_good(report):
    with peer() as (port, _), pytest.raises(DeliveryRefused, match="AE title"):
        scu(port, "SOMEONE").deliver(report)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # pynetdicom leaves a socket that could not connect to gc
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_peer_that_is_not_there_is_tried_again(report):
    with pytest.raises(DeliveryFailed, match="cannot be reached"):
        scu(free_port()).deliver(report)
    gc.collect()
