"""What leaves the spool: never what is open or owed; exports that stay in their folder; all beside a running writer."""

import json
import os
import subprocess
import time
from contextlib import suppress
from dataclasses import replace

import pytest
import sqlalchemy as sa
from builders.images.series import classic, encoded
from builders.judging.values import assessment
from builders.running.assembly import assembled
from builders.running.daemon import SCANSIDE
from builders.running.spool import association_end, receipt, spool_settings
from pydicom import dcmread

from daemon.commands.spool import export_spool, list_spool, prune_spool
from daemon.config import load_settings
from daemon.core.errors import ConfigError, Reason, SpoolError
from daemon.core.reception.completion import Completion, Patience
from daemon.core.values import Algorithm, ReportKind, Stage, State, Verdict
from daemon.dicom.protocol.procedure_step import read_report
from daemon.dicom.reading.headers import read_instance
from daemon.edge.database import schema
from daemon.edge.database.index import Index
from daemon.edge.database.inventory import Inventory
from daemon.edge.database.migrations import open_database
from daemon.edge.database.outbox import Outbox
from daemon.edge.database.results import Published, Results
from daemon.edge.files.reports import Reports
from daemon.edge.spool.reader import SpoolReader
from daemon.edge.spool.segments import segment_name
from daemon.edge.spool.writer import SpoolWriter
from daemon.line.appraisal import Appraiser
from daemon.line.judgement import SeriesJudge
from daemon.retention import Pruner
from daemon.routes import all_routes

LATE = 1e12
READERS = (read_instance, read_report)
OLD = 30 * 86_400


class Site:
    """A spool with a database, where each series of three images fills a segment."""

    def __init__(self, folder):
        self.config = folder / "scanside.toml"
        self.config.write_text(f'storage = "{folder / "storage"}"\n')
        self.settings = load_settings(self.config)
        self.spool_folder = self.settings.spool_settings.folder
        self.writer = SpoolWriter(spool_settings(self.spool_folder, segment_bytes=1))
        self.engine = open_database(self.settings.database_url)
        self.index, self.results = Index(self.engine, b"key"), Results(self.engine)
        self.outbox = Outbox(self.engine)
        self.reader = SpoolReader(self.spool_folder)
        self.assembly = assembled(self.spool_folder, self.index, Completion(Patience()))
        self.instances = 0

    def store(self, series, images=3, association="a", **header):
        """Make the images of a series durable, a segment each."""
        for k, image in enumerate(classic(uid=f"{series}.9", SeriesInstanceUID=series, **header)[:images]):
            self.instances += 1
            self.put(encoded(image), sop_instance_uid=f"{series}.9.{k}.{self.instances}", association=association)

    def put(self, payload, **facts):
        draft = self.writer.draft()
        with suppress(SpoolError):
            draft.add(payload)
            self.writer.append(receipt(**facts), draft)
        draft.close()

    def close(self, now=LATE):
        """Read everything, close what is due."""
        read, closed = True, []
        while read:
            read, found = self.assembly.turn(now)
            closed += found
        return closed

    def answer(self, series, revision=1, owed=()):
        verdict = Verdict(state=State.ACCEPT, action="")
        published = Published(
            verdict=verdict, assessment=assessment(), description="", seconds={}, objects={}, bundle="b", at=1.0
        )
        self.results.publish(series, revision, published, owed)

    def age(self):
        """Make every segment look a month old."""
        for path in self.spool_folder.glob("*.spool"):
            os.utime(path, (time.time() - OLD, time.time() - OLD))

    def segments(self):
        return {segment.name for segment in self.reader.segments()}

    def of(self, series):
        """The segments in which a series lies."""
        with self.engine.connect() as connection:
            table = schema.instances
            bodies = connection.execute(sa.select(table.c.body).where(table.c.series_instance_uid == series)).scalars()
            return {json.loads(body)["arrival"]["segment"] for body in bodies}

    def end(self):
        self.writer.close()
        self.engine.dispose()


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.end()


def test_only_what_is_answered_and_delivered_everywhere_goes(site):
    owed = (ReportKind.SR.value, "1.2.8", "pacs")
    for series in ("1.1", "1.2", "1.3", "1.4", "1.5"):
        site.store(series)
    site.close()
    site.store("1.6")
    site.close(0.0)
    site.store("1.7")
    site.answer("1.1")
    site.answer("1.2", owed=[owed])
    site.answer("1.3", owed=[("SR", "1.2.9", "picky")])
    site.outbox.park(site.outbox.claim("picky", "worker", LATE), "refused")
    site.answer("1.4", owed=[("SR", "1.2.10", "archive")])
    site.outbox.delivered(site.outbox.claim("archive", "worker", LATE), 5.0)
    site.age()
    kept = site.segments() - site.of("1.1") - site.of("1.4")

    assert kept == site.segments() - {stock.name for stock in prune_spool(site.settings, dry_run=True)}
    assert kept < site.segments()
    prune_spool(site.settings, dry_run=False)
    assert kept == site.segments()
    assert () == prune_spool(site.settings, dry_run=False)


def test_a_series_that_was_re_opened_keeps_its_older_images(site):
    site.store("1.1")
    site.close()
    site.answer("1.1")
    site.store("1.1", images=1)
    site.close(0.0)
    site.age()

    assert () == prune_spool(site.settings, dry_run=False)
    assert 4 == len(site.of("1.1"))


def test_what_is_young_stays_unless_the_spool_is_too_large(site):
    site.store("1.1")
    site.store("1.2")
    site.store("1.3", images=1)
    site.close()
    for series in ("1.1", "1.2"):
        site.answer(series)
    for number, name in enumerate(sorted(site.segments())):
        os.utime(site.spool_folder / name, (time.time() - 100 + number, time.time() - 100 + number))
    sizes = sum(segment.size_bytes for segment in site.reader.segments())
    retention = replace(site.settings.retention, max_bytes=sizes - 1)
    pruner = Pruner(site.reader, Reports(site.settings.reports), Inventory(site.engine), retention)

    assert () == prune_spool(site.settings, dry_run=False)
    assert [segment_name(1)] == [stock.name for stock in pruner.prune(time.time())]


def test_a_late_image_of_a_series_that_has_gone_is_answered_with_that(site):
    site.store("1.1")
    site.close()
    site.answer("1.1")
    site.store("1.2")
    site.close()
    site.age()
    prune_spool(site.settings, dry_run=False)
    site.store("1.1", images=1)
    (series,) = site.close()
    algorithm = Algorithm(bundle="b", bundle_version="1", bundle_digest="d", software_version="1", config_digest="c")
    judged = SeriesJudge(
        Appraiser(pytest.fail, algorithm, all_routes(site.settings)), site.reader.dataset, "here"
    ).judge(series, None)

    assert (2, 4) == (series.revision, len(series.instances))
    assert Reason.LOST is judged.verdict.not_assessed
    assert 2 == len(judged.objects)


def test_ends_of_associations_go_once_no_open_series_came_on_them(site):
    site.store("1.1", association="gone")
    site.writer.append(association_end(association="gone"))
    site.close()
    site.store("1.2", association="held")
    site.writer.append(association_end(association="held", aborted=True))
    site.close(0.0)
    Inventory(site.engine).forget_ends(time.time())

    assert ["held"] == [end.association for end in site.index.unclosed()[1]]


def test_a_running_prune_and_reader_may_meet_another_ones_removal(site, monkeypatch):
    site.store("1.1")
    site.store("1.2", images=1)
    site.close()
    site.answer("1.1")
    site.age()
    pruner = Pruner(site.reader, Reports(site.settings.reports), Inventory(site.engine), site.settings.retention)
    due = pruner.removable(time.time())
    prune_spool(site.settings, dry_run=False)
    monkeypatch.setattr(pruner, "removable", lambda _: due)

    assert (3, ()) == (len(due), pruner.prune(time.time()))


def test_without_a_database_nothing_is_pruned(tmp_path):
    config = tmp_path / "other.toml"
    config.write_text(f'storage = "{tmp_path / "other"}"\n')

    with pytest.raises(ConfigError, match="nothing is pruned"):
        prune_spool(load_settings(config), dry_run=False)


def test_the_list_says_what_is_held_of_which_series_and_where_it_stands(site):
    site.store("1.1")
    site.store("1.2", images=2)
    site.close()
    site.answer("1.1")
    site.store("1.3", images=1)
    said = {one.series_instance_uid: one for one in list_spool(site.settings)}

    assert {"1.1": 3, "1.2": 2, "": 1} == {uid: one.instances for uid, one in said.items()}
    assert {"1.1": "DONE", "1.2": Stage.WAITING, "": "UNCLAIMED"} == {uid: one.state for uid, one in said.items()}
    assert [True, False, False] == [said[uid].settled for uid in ("1.1", "1.2", "")]
    assert said["1.2"].size_bytes == sum(
        event.length for event, _ in site.reader.follow() if event.sop_instance_uid.startswith("1.2.")
    )


def test_an_export_holds_the_images_and_overwrites_nothing(site, tmp_path):
    site.store("1.1")
    site.store("1.2", images=1)
    out = tmp_path / "out"
    first = export_spool(site.settings, out)
    files = sorted(out.rglob("*.dcm"))
    image = dcmread(files[0])

    assert (4, 0, 0) == (first.written, first.there, first.differing)
    assert ["1.1", "1.1", "1.1", "1.2"] == [path.parent.name for path in files]
    assert files[0].name == f"{image.file_meta.MediaStorageSOPInstanceUID}.dcm"
    files[0].write_bytes(b"mine")
    again = export_spool(site.settings, out, frozenset({"1.1"}))
    assert (0, 2, 1) == (again.written, again.there, again.differing)
    assert b"mine" == files[0].read_bytes()


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "..", ".", "1.2\0", "", "1." * 40, "a/b"])
def test_names_from_outside_never_leave_the_folder(site, tmp_path, name):
    image = classic()[0]
    data = encoded(image).replace(b"1.2.2\0", (name.encode() + b"\0" * 6)[:6])
    site.put(data, sop_instance_uid=name)
    out = tmp_path / "deep" / "out"
    done = export_spool(site.settings, out)
    (written,) = [path for path in (tmp_path / "deep").rglob("*") if path.is_file()]

    assert 1 == done.written
    assert written.is_relative_to(out)
    assert 3 == len(written.relative_to(tmp_path / "deep").parts)
    assert set(written.stem) <= set("0123456789.")


def test_an_export_follows_no_link(site, tmp_path):
    site.store("1.1", images=1)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "1.1").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ConfigError, match="is a link"):
        export_spool(site.settings, tmp_path / "out")
    assert [] == list((tmp_path / "elsewhere").iterdir())


def test_damaged_images_are_counted_and_the_others_exported(site, tmp_path):
    site.store("1.1")
    event = next(event for event, _ in site.reader.follow())
    with (site.spool_folder / event.segment).open("r+b") as segment:
        segment.seek(event.offset + 10)
        segment.write(b"\xff\xff\xff")
    done = export_spool(site.settings, tmp_path / "out")

    assert (2, 1) == (done.written, done.damaged)


def test_the_command_lists_exports_and_prunes(site, tmp_path):
    def say(*arguments):
        command = [*SCANSIDE, "spool", "--config", str(site.config), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (0, "") == (done.returncode, done.stderr)
        return done.stdout

    site.store("1.1")
    site.store("1.2", images=1)
    site.close()
    site.answer("1.1")
    site.age()

    assert {"1.1", "1.2"} == {json.loads(line)["series_instance_uid"] for line in say("list", "--json").splitlines()}
    assert "1 written" in say("export", tmp_path / "out", "--series", "1.2")
    assert "would remove 3 segments" in say("prune", "--dry-run")
    assert "removed 3 segments, 0 reports" in say("prune")
