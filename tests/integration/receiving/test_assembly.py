"""From the spool on disk to complete series, across restarts at any moment."""

import threading
from itertools import count

import pytest
from builders.judging.values import instance
from builders.running.assembly import assembled
from builders.running.database import gone_at
from builders.running.spool import association_end, spool_settings, store

from daemon.core.reception.completion import Completion, Patience
from daemon.core.values import ClosedBy
from daemon.dicom.protocol.procedure_step import read_report
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import open_database
from daemon.edge.database.patience import is_gone, unless_gone
from daemon.edge.database.results import Results
from daemon.edge.spool.writer import SpoolWriter
from daemon.edge.supervisor import Supervisor
from daemon.line.assembly import Assembling, Wish

PATIENCE = Patience(geometry_s=0.0, release_s=0.5, stray_s=10.0, quiet_s=60.0)
LATE = 1e12


def read_instance(arrival, data):
    """A slice whose number is its payload."""
    number = int(b"".join(data.pieces()))
    made = instance(number, at=arrival.received_at)
    return type(made)(**{name: getattr(made, name) for name in made.__slots__} | {"arrival": arrival})


@pytest.fixture
def world(tmp_path):
    """A spool that is written, and assemblies that can be made anew over it as often as a test likes."""
    writer = SpoolWriter(spool_settings(tmp_path / "spool"))
    engine = open_database(f"sqlite:///{tmp_path}/scanside.sqlite")

    def begin(noted=None, completion=None):
        note, index = (noted if noted is not None else []).append, Index(engine, b"key")
        readers = (read_instance, read_report)
        assembly = assembled(tmp_path / "spool", index, completion or Completion(PATIENCE), readers, note)
        assembly.restore(0.0)
        return assembly

    yield writer, begin
    writer.close()
    engine.dispose()


def push(writer, numbers):
    for number in numbers:
        store(writer, number, str(number).encode())


def read_all(assembly, now):
    closed, read = [], True
    while read:
        read, series = assembly.turn(now)
        closed += series
    return closed


def test_a_released_series_is_closed_with_all_its_images(world):
    writer, begin = world
    push(writer, range(5))
    writer.append(association_end())
    (series,) = read_all(begin(), LATE)

    assert (ClosedBy.RELEASE, 5, False) == (series.closed_by, len(series.instances), series.partial)


@pytest.mark.parametrize("cut", range(6))
def test_a_restart_at_any_image_loses_and_doubles_nothing(world, cut):
    writer, begin = world
    noted = []
    push(writer, range(cut))
    assert [] == read_all(begin(noted), 0.0)
    push(writer, range(cut, 5))
    writer.append(association_end())
    (series,) = read_all(begin(noted), LATE)

    assert 5 == len(series.instances) == len(noted)
    assert [] == read_all(begin(noted), LATE)


def test_a_late_image_re_opens_its_series_even_after_a_restart(world):
    writer, begin = world
    push(writer, range(5))
    writer.append(association_end())
    read_all(begin(), LATE)
    push(writer, [5])
    writer.append(association_end())
    (series,) = read_all(begin(), LATE)

    assert (2, 6) == (series.revision, len(series.instances))


def test_a_long_backlog_does_not_close_a_series_in_its_middle(world):
    """The images are older than any patience when the daemon comes to read them, in batches."""
    writer, begin = world
    push(writer, range(450))
    writer.append(association_end(at=1_700_000_500.0))
    (series,) = read_all(begin(), LATE)

    assert (ClosedBy.RELEASE, 450, 1) == (series.closed_by, len(series.instances), series.revision)


def test_what_was_learned_of_a_scanner_outlives_a_restart(world):
    writer, begin = world
    push(writer, range(5))
    writer.append(association_end())
    read_all(begin(), LATE)

    after = Completion(PATIENCE)
    begin(completion=after)

    assert (1.0,) == after.rhythm("SCANNER").pauses


def test_the_series_still_open_are_told_and_every_change_counts(world):
    writer, begin = world
    assembly = begin()
    push(writer, range(3))
    read_all(assembly, 0.0)

    assert [3] == [incoming.images for incoming in assembly.incoming]
    before = assembly.changes
    writer.append(association_end())
    read_all(assembly, LATE)
    assert assembly.incoming == ()
    assert assembly.changes > before


def begun_despite(folder, statement):
    """What is begun of a pushed series whose database goes away at a statement; whether it went."""
    writer, engine = SpoolWriter(spool_settings(folder / "spool")), open_database(f"sqlite:///{folder}/scanside.sqlite")
    push(writer, range(5))
    writer.append(association_end())
    index, begun = Index(engine, b"key"), set()

    def make():
        return assembled(folder / "spool", index, Completion(PATIENCE), (read_instance, read_report))

    supervisor = Supervisor(threading.Event(), passes=is_gone)
    assembling = Assembling(make, lambda *series: begun.add(series), Results(engine).unjudged, supervisor)
    with gone_at(engine, statement) as broken:
        for _ in range(5):
            with unless_gone():
                assembling.turn()
    images = [len(index.series(*series).instances) for series in begun]
    writer.close()
    engine.dispose()
    return images, assembling.incoming, bool(broken)


def test_a_database_that_goes_away_at_any_statement_costs_no_series_and_no_image(tmp_path):
    for statement in count():
        folder = tmp_path / str(statement)
        folder.mkdir()
        images, incoming, broken = begun_despite(folder, statement)

        assert ([5], ()) == (images, incoming)
        if not broken:
            break
    assert statement > 10


def obeyed(assembly, *, again):
    return assembly.obey(Wish("1.2.115", again=again), LATE)


def test_a_series_is_complete_at_a_persons_word_and_a_late_image_still_re_opens_it(world):
    writer, begin = world
    push(writer, range(3))
    assembly = begin()
    read_all(assembly, 0.0)
    (series,) = obeyed(assembly, again=False)
    push(writer, [3])
    writer.append(association_end())
    (later,) = read_all(assembly, LATE)

    assert (ClosedBy.PERSON, 1, 3) == (series.closed_by, series.revision, len(series.instances))
    assert (2, 4) == (later.revision, len(later.instances))


def test_a_closed_series_is_judged_once_more_after_a_restart_and_loses_no_late_image(world):
    writer, begin = world
    push(writer, range(3))
    writer.append(association_end())
    read_all(begin(), LATE)
    assembly = begin()
    (again,) = obeyed(assembly, again=True)
    push(writer, [3])
    writer.append(association_end(association="b"))
    (later,) = read_all(assembly, 2 * LATE)

    assert (ClosedBy.PERSON, 2, 3) == (again.closed_by, again.revision, len(again.instances))
    assert (3, 4) == (later.revision, len(later.instances))


@pytest.mark.parametrize("again", [False, True])
def test_what_is_not_there_cannot_be_closed(world, again):
    _, begin = world

    assert () == obeyed(begin(), again=again)


def test_an_open_series_is_not_judged_once_more_nor_a_closed_one_closed(world):
    writer, begin = world
    push(writer, range(3))
    assembly = begin()
    read_all(assembly, 0.0)
    assert () == obeyed(assembly, again=True)
    writer.append(association_end())
    read_all(assembly, LATE)

    assert () == obeyed(assembly, again=False)
