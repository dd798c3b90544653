"""A watched folder: whole files, once, and never one in the place of another."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.core.errors import DeliveryFailed, DeliveryRefused, DestinationUnreachable
from daemon.core.values import ReportKind, ReportObject
from daemon.edge.drop import DropFolder, FolderWriter

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
