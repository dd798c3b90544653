"""A watched folder: whole files, once, and never one in the place of another."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.core.errors import DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.core.values import ReportKind, ReportObject
from daemon.edge.delivery.folder import DropFolder, FolderWriter

REPORT = ReportObject(
    kind=ReportKind.SR, sop_instance_uid="2.25.1", sop_class_uid="1", series_instance_uid="2", payload=b"report" * 99
)


@pytest.fixture
def writer(tmp_path):
    return FolderWriter(DropFolder(name="drop", path=tmp_path))


def test_an_object_is_a_file_named_by_its_uid(writer, tmp_path):
    for _ in range(2):
        assert "" == writer.deliver(REPORT)

    assert {"2.25.1.dcm": REPORT.payload} == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_other_content_is_never_overwritten(writer, tmp_path):
    writer.deliver(REPORT)
    with pytest.raises(DeliveryRefused, match="other content"):
        writer.deliver(replace(REPORT, payload=b"other"))

    assert [REPORT.payload] == [path.read_bytes() for path in tmp_path.iterdir()]


def test_whoever_is_there_first_stays_even_if_both_saw_the_place_empty(writer, tmp_path, monkeypatch):
    fsync, final = os.fsync, tmp_path / "2.25.1.dcm"

    def overtake(descriptor: int) -> None:
        if not final.exists():
            final.write_bytes(b"the other's")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", overtake)
    with pytest.raises(DeliveryRefused, match="other content"):
        writer.deliver(REPORT)

    assert {"2.25.1.dcm": b"the other's"} == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_share_that_is_not_mounted_is_waited_for_and_not_made(tmp_path):
    away = tmp_path / "away"
    with pytest.raises(DestinationUnreachable, match="mount"):
        FolderWriter(DropFolder(name="drop", path=away)).deliver(REPORT)

    assert not away.exists()


@pytest.mark.parametrize(
    ("number", "error"), [(errno.EROFS, DeliveryRefused), (errno.ENOSPC, DeliveryFailed), (errno.EIO, DeliveryFailed)]
)
def test_trouble_of_the_disk_leaves_nothing_behind(writer, tmp_path, monkeypatch, number, error):
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(error):
        writer.deliver(REPORT)

    assert [] == list(tmp_path.iterdir())


def test_a_share_without_hard_links_gets_whole_files_too(writer, tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    writer.deliver(REPORT)

    assert [REPORT.payload] == [path.read_bytes() for path in tmp_path.iterdir()]


def test_whoever_watches_the_folder_may_take_a_file_at_once(writer, monkeypatch):
    link = Path.hardlink_to

    def link_and_take(final: Path, partial: Path) -> None:
        link(final, partial)
        final.unlink()

    monkeypatch.setattr(Path, "hardlink_to", link_and_take)

    assert "" == writer.deliver(REPORT)


def make_link(final: Path) -> None:
    final.symlink_to("/dev/zero")


def make_dangling_link(final: Path) -> None:
    final.symlink_to("nowhere")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, make_link, make_dangling_link])
def test_what_is_no_file_under_the_name_is_refused_and_holds_up_no_other(writer, tmp_path, make):
    make(tmp_path / "2.25.1.dcm")
    with pytest.raises(DeliveryRefused, match="other content"):
        writer.deliver(REPORT)

    assert "" == writer.deliver(replace(REPORT, sop_instance_uid="2.25.2"))
    assert {"2.25.1.dcm", "2.25.2.dcm"} == {path.name for path in tmp_path.iterdir()}


def test_a_folder_that_is_a_file_is_waited_for(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DestinationUnreachable, match="no folder"):
        FolderWriter(DropFolder(name="drop", path=tmp_path / "file")).deliver(REPORT)
