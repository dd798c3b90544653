"""What lies below a folder: every series once, whatever else lies there."""

import os
import shutil

import pytest
from builders.running.daemon import write_series
from pydicom import dcmread, dcmwrite

from daemon.commands.cohorts.cohort import answer
from daemon.commands.finding import find_series
from daemon.core.errors import ConfigError, Reason
from daemon.core.judging.verdict import decline
from daemon.dicom.own import MANUFACTURER, MODEL_NAME
from daemon.line.appraisal import Appraisal, software


@pytest.fixture
def phantom(tmp_path):
    """A folder with one series, and the series' UID."""
    return tmp_path / "cohort", write_series(tmp_path / "cohort" / "a", 1, "finding")[0]


def changed(source, path, **values):
    dataset = dcmread(source)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dcmwrite(path, dataset)


def test_series_are_found_in_the_order_of_their_first_file_wherever_their_files_lie(phantom):
    folder, uid = phantom
    first = folder / "a" / "0000.dcm"
    (folder / "b" / "deep").mkdir(parents=True)
    (folder / "a" / "0005.dcm").rename(folder / "b" / "deep" / "0005.dcm")
    (folder / "a" / "head.nii.gz").write_bytes(b"")
    changed(first, folder / "A" / "x", SeriesInstanceUID="1.2.3")
    finds = find_series(folder)

    assert ["1.2.3", uid, "a/head.nii.gz"] == [found.series for found in finds.series]
    assert [1, 12, 1] == [found.images for found in finds.series]
    assert ["A", "a", "a"] == [found.path for found in finds.series]
    assert folder / "b" / "deep" / "0005.dcm" == finds.series[1].paths(folder)[-1]
    assert (0, 0) == (finds.others, finds.unreadable)


def test_what_is_no_series_is_counted_and_ends_nothing(phantom):
    folder, uid = phantom
    first = folder / "a" / "0000.dcm"
    (folder / "notes.txt").write_text("no DICOM")
    (folder / "empty").write_bytes(b"")
    (folder / "cut.dcm").write_bytes(first.read_bytes()[:140])
    changed(first, folder / "without.dcm", SeriesInstanceUID="")
    own = {"Manufacturer": MANUFACTURER, "ManufacturerModelName": MODEL_NAME}
    changed(first, folder / "own.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.7", **own)
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere").symlink_to(folder / "gone")
    changed(first, folder / "private.dcm", SeriesInstanceUID="1.2.3")
    dataset = dcmread(folder / "private.dcm")
    dataset.private_block(0x0009, "LARGE", create=True).add_new(0x01, "OB", bytes(1 << 17))
    dcmwrite(folder / "private.dcm", dataset)
    finds = find_series(folder)

    assert [uid, "1.2.3"] == [found.series for found in finds.series]
    assert (5, 0) == (finds.others, finds.unreadable)
    assert ((), 1) == (find_series(folder / "gone").series, find_series(folder / "gone").unreadable)


def test_names_that_no_database_holds_become_ones_that_it_does(tmp_path):
    folder = tmp_path.joinpath(*["f" * 200] * 4)
    folder.mkdir(parents=True)
    for name in (b"\xff.nii", b"\xfe.nii", b"x" * 200 + b".nii"):
        (folder / os.fsdecode(name)).touch()
    source = write_series(tmp_path / "made", 1, "names")[1][0].read_bytes()
    shutil.rmtree(tmp_path / "made")
    before, tag, _ = source.partition(bytes.fromhex("20000e00"))
    (tmp_path / "strange").write_bytes(before + tag + b"UI" + (5000).to_bytes(2, "little") + b"1\0" * 2500)
    found = [one.series for one in find_series(tmp_path).series]

    assert 4 == len(set(found))
    assert all(len(name.encode()) < 1100 for name in found)


def test_whatever_goes_wrong_with_a_series_is_its_answer(phantom):
    folder, uid = phantom
    (found,) = find_series(folder).series
    place = {"series": uid, "path": "a", "images": 12}
    flat = Appraisal(verdict=decline(Reason.FLAT), algorithm=software(""))

    def failing(error):
        def appraise(_files):
            raise error

        return appraise

    assert (place | {"verdict": "NOT_ASSESSED"}).items() <= answer(found, folder, lambda _files: flat)[0].items()
    for error, reason, passing in (
        (OSError(5, "Input/output error"), Reason.LOST, True),
        (ConfigError("torn"), Reason.UNREADABLE, False),
    ):
        row, again = answer(found, folder, failing(error))
        assert (passing, "NOT_ASSESSED", True) == (again, row["verdict"], reason in row["action"])
    row, again = answer(found, folder, failing(SystemExit()), give_up=True)
    assert (False, True) == (again, Reason.FAILED in row["action"])
