"""A series step by step out of the database, its case for support, its slices, and delivery once more."""

import io
import json

import numpy as np
import pytest
import sqlalchemy as sa
from builders.images.series import Lattice, classic, encoded
from builders.page.quality import row, tell_history
from builders.running.assembly import assembled
from builders.running.database import opened
from builders.running.outbox import owe, sop_uid
from builders.running.spool import association_end, spool_settings, store
from PIL import Image
from scipy.ndimage import find_objects

from daemon.core.people.history import Happening, case_of
from daemon.core.reception.completion import Completion, Patience
from daemon.core.tokens import token
from daemon.dicom.reading.volumes import arrange, decode
from daemon.dicom.report.picture.overlay import Overlay, pack
from daemon.edge.database import schema
from daemon.edge.database.index import Index
from daemon.edge.database.outbox import Outbox
from daemon.edge.database.trends.history import Histories
from daemon.edge.files.reports import Reports
from daemon.edge.spool.reader import SpoolReader
from daemon.edge.spool.writer import SpoolWriter
from daemon.slices import SpoolSlices

AT = 1_800_000_000.0
#: What no case may hold.
NAMES = ("Mustermann", "1.2.3.7", "1.2.4.7", "PACS-HOSPITAL", "SCANNER", "SERIAL4711")


@pytest.fixture
def engine(url):
    with opened(url) as engine:
        yield engine


def test_the_timeline_tells_in_order_what_happened_and_by_what_it_was_complete(engine):
    tell_history(engine, AT)
    history = Histories(engine, {"SCANNER": "MR 1"}).history("card7")

    assert ("MR 1", [2, 1]) == (history.scanner, [step.revision for step in history.steps])
    assert [
        (0.0, Happening.LAST_IMAGE, "176"),
        (1.0, Happening.CLOSED, "geometry"),
        (1.1, Happening.BEGUN, ""),
        (4.0, Happening.JUDGED, "RESCAN"),
        (4.0, Happening.PARKED, "SC PACS-HOSPITAL: Mustermann is unknown"),
        (5.0, Happening.ALERTED, "alert-1: delivered"),
        (9.0, Happening.DELIVERED, "SR PACS-HOSPITAL"),
        (30.0, Happening.ANSWERED, "repeated"),
    ] == [(round(event.at - AT, 3), event.what, event.detail) for event in history.events[:8]]
    assert [Happening.LAST_IMAGE, Happening.CLOSED, Happening.BEGUN, Happening.JUDGED, Happening.CLEARED] == [
        event.what for event in history.events[8:]
    ]


def test_a_case_says_what_was_measured_and_names_nobody(engine):
    tell_history(engine, AT)
    case = case_of(Histories(engine, {"SCANNER": "MR 1"}).history("card7"), "9.9")
    text = json.dumps(case, allow_nan=False)
    numbers = {one["name"]: one for one in case["revisions"][0]["numbers"]}

    assert (12.0, None, True) == (numbers["snr"]["value"], numbers["blur"]["value"], numbers["ghost"]["abnormal"])
    assert [] == [name for name in NAMES if name in text]
    assert "2027" not in text
    assert str(int(AT))[:6] not in text
    assert 0.0 == case["timeline"][0]["seconds"]


def test_a_series_that_is_unknown_has_no_history(engine):
    assert None is Histories(engine, {}).history("card7")
    assert None is Histories(engine, {}).uid("card7")


def test_what_an_older_version_recorded_is_no_fault(engine):
    with engine.begin() as connection:
        connection.execute(
            sa.insert(schema.series), [row(7, AT, {"snr": 1.0}, assessment='{"measures": {"snr": {"value": 1}}}')]
        )

    assert None is Histories(engine, {}).history("card7").steps[0].assessment


def test_what_was_delivered_is_owed_once_more_but_not_what_is_still_under_way(engine):
    uid = owe(engine, 1, kinds=("SR", "SC"))
    outbox = Outbox(engine)
    first = outbox.claim("pacs", "w", 200.0)
    outbox.delivered(first, 200.0)

    assert 1 == outbox.resend(300.0, uid)
    assert 0 == outbox.resend(300.0, "1.2.9.99")
    owed = {one.sop_instance_uid: one for one in outbox.of_series([uid])}
    assert {sop_uid(1, "SC"): None, sop_uid(1, "SR"): None} == {name: one.delivered_at for name, one in owed.items()}
    assert "DELIVERING" == Histories(engine, {}).history(Index(engine, b"key").card_id(uid)).steps[0].stage


def test_files_that_left_the_disk_are_not_sent_again(engine):
    uid = owe(engine, 1)
    outbox = Outbox(engine)
    outbox.delivered(outbox.claim("pacs", "w", 200.0), 200.0)
    with engine.begin() as connection:
        connection.execute(sa.update(schema.series).values(cleared_at=250.0))

    assert 0 == outbox.resend(300.0, uid)


def slices(index, folder):
    return SpoolSlices(index, SpoolReader(folder / "spool"), Reports(folder / "reports"))


@pytest.fixture
def spooled(tmp_path):
    """A series of five slices in a spool, closed; its UID, and who shows its slices."""
    datasets = classic()
    with opened(f"sqlite:///{tmp_path}/db.sqlite") as engine:
        writer = SpoolWriter(spool_settings(tmp_path / "spool"))
        for number, dataset in enumerate(datasets):
            store(writer, number, encoded(dataset))
        writer.append(association_end())
        index = Index(engine, b"key")
        assembly = assembled(tmp_path / "spool", index, Completion(Patience()))
        assembly.restore(0.0)
        (series,) = assembly.turn(1e12)[1]
        yield series.series_instance_uid, len(datasets), slices(index, tmp_path), tmp_path
        writer.close()


def test_the_slices_are_those_of_the_images_and_gone_with_them(spooled):
    uid, count, slices, folder = spooled
    pictures = [np.asarray(Image.open(io.BytesIO(slices.png(uid, number)))) for number in range(count)]

    assert (count, True) == (slices.count(uid), slices.is_there(uid))
    assert {(Lattice().rows, Lattice().columns)} == {picture.shape for picture in pictures}
    values = np.concatenate([picture.ravel() for picture in pictures]).astype(int)
    assert (0, 255) == (values[0], values[-1])
    assert (np.diff(values) >= 0).all()  # the voxels' numbers, in their order
    assert [None, None] == [slices.png(uid, number) for number in (-1, count)]
    assert (0, False) == (slices.count("1.2.3"), slices.is_there("1.2.3"))
    next(folder.glob("spool/*.spool")).unlink()
    assert (0, False) == (slices.count(uid), slices.is_there(uid))


def test_lines_are_drawn_over_the_slices_as_long_as_they_are_kept_and_go_with_the_report(spooled):
    uid, count, slices, folder = spooled
    reports, card = Reports(folder / "reports"), token(uid, b"key")
    columns, rows = Lattice().columns, Lattice().rows
    affine = decode([arrange(classic())[0]]).affine
    box = np.zeros((columns, rows, count), np.bool_)
    box[:3, 1:4, 1] = True
    kept = Overlay(outlined=box, doubtful=np.zeros_like(box), affine=affine)

    assert (False, None) == (slices.has_overlay(uid), slices.overlay(uid, 1))
    reports.overlay(card, 1).write_bytes(pack(kept))
    drawn = [np.asarray(Image.open(io.BytesIO(slices.overlay(uid, n))))[..., 3] > 0 for n in range(count)]
    assert slices.has_overlay(uid)
    assert [0, 8] + [0] * (count - 2) == [int(one.sum()) for one in drawn]  # the border of nine, on its own slice
    assert (slice(1, 4), slice(0, 3)) == find_objects(drawn[1].astype(int))[0]
    assert None is slices.overlay(uid, count)
    reports.remove(reports.names(card, 1, []))
    assert not slices.has_overlay(uid)
    reports.overlay(card, 1).write_bytes(b"damaged")
    assert None is slices.overlay(uid, 1)
