"""A watched folder: whole files, once, and never one in the place of another."""

import errno
import os
import threading
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


def test_of_many_writers_at_once_one_wins_and_none_mixes(writer, tmp_path):
    payloads, refused = [bytes([n]) * 100_000 for n in range(8)], []

    def write(payload: bytes) -> None:
        try:
            writer.deliver(replace(REPORT, payload=payload))
        except DeliveryRefused:
            refused.append(payload)

    threads = [threading.Thread(target=write, args=(payload,)) for payload in payloads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (path,) = tmp_path.iterdir()

    assert {path.read_bytes(), *refused} == set(payloads)
    assert 7 == len(refused)


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
