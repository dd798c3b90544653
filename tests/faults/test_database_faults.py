"""A damaged SQLite file is said in words that tell what to do; from the spool a new one is made."""

import sqlite3
import threading
from contextlib import closing

import pytest
import sqlalchemy as sa
from builders.images.series import classic
from builders.peers.receiver import encoded
from builders.running.assembly import assembled
from builders.running.spool import association_end, receipt, spool_settings

from daemon.core.errors import ConfigError, DatabaseDamaged
from daemon.core.reception.completion import Completion, Patience
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import connect, open_database, prepare
from daemon.edge.database.patience import DAMAGED_WORDS, PatientTurn, is_gone, unless_gone
from daemon.edge.database.results import Results
from daemon.edge.spool.writer import SpoolWriter
from daemon.edge.supervisor import Loop, Supervisor, Turn
from daemon.worker import prepared

LATE = 1e12


@pytest.fixture
def file(tmp_path):
    return tmp_path / "scanside.sqlite"


def made(file):
    """A database of many pages, closed."""
    engine = open_database(f"sqlite:///{file}")
    with engine.begin() as connection:
        words = [{"calling_ae": f"{number}", "pauses": "[1.0]" + " " * 500} for number in range(2000)]
        connection.exec_driver_sql("INSERT INTO rhythms VALUES (:calling_ae, :pauses)", words)
    engine.dispose()


def damage(file, offset, length):
    with file.open("r+b") as stream:
        stream.seek(offset)
        stream.write(b"\xa5" * length)


def test_a_destroyed_head_is_waited_for_in_words_until_the_file_was_moved_away(file, monkeypatch):
    monkeypatch.setattr("daemon.worker._AGAIN_S", 0.05)
    made(file)
    damage(file, 0, 100)
    engine, told, stop = connect(f"sqlite:///{file}"), threading.Event(), threading.Event()
    said, opened = [], []

    def tell(words):
        said.append(words)
        told.set()

    waiting = threading.Thread(target=lambda: opened.append(prepared(engine, stop, tell)))
    waiting.start()
    assert told.wait(120)
    assert [] == opened
    file.rename(file.with_suffix(".damaged"))
    waiting.join(120)

    assert [True] == opened
    assert {DAMAGED_WORDS} == {*said}
    assert [] == Results(engine).unjudged()
    engine.dispose()


def root_of(file, table):
    """Where the first page of a table begins in a file, and how long it is."""
    with closing(sqlite3.connect(file)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [table]).fetchone()
    return (page - 1) * size, size


def test_a_broken_page_stops_only_who_needs_it_and_says_what_to_do(file):
    made(file)
    damage(file, *root_of(file, "rhythms"))
    engine = connect(f"sqlite:///{file}")
    supervisor = Supervisor(threading.Event(), passes=is_gone)
    looks = []

    def turn():
        looks.append(supervisor.obstacles())
        if len(looks) == 3:
            supervisor.stop.set()
        Index(engine, b"key").rhythms()
        return 0.0

    supervisor.repeat(Turn(Loop.ASSEMBLY, "assembly", PatientTurn(turn)))

    assert [[], [1], [1]] == [[len(found)] if found else [] for found in looks]
    assert DAMAGED_WORDS in looks[1][0]
    assert [] == Results(engine).unjudged()
    engine.dispose()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_said_so_by_every_command(file, content):
    file.write_bytes(content)

    with pytest.raises(DatabaseDamaged, match="rename scanside"):
        open_database(f"sqlite:///{file}")


def test_what_the_database_does_not_mean_is_a_fault_and_not_waited_for(file):
    engine = open_database(f"sqlite:///{file}")

    with pytest.raises(sa.exc.IntegrityError), unless_gone(), engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO rhythms VALUES ('same', ''), ('same', '')")
    engine.dispose()


def test_what_postgresql_will_never_take_is_a_fault_and_not_waited_for(server):
    """An index row has an upper limit there, and an OperationalError says so."""
    engine = connect(server.database())
    prepare(engine)
    long = "".join(str(number) for number in range(20_000))

    with pytest.raises(sa.exc.OperationalError), unless_gone(), engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO rhythms VALUES (:name, '')"), {"name": long})
    engine.dispose()


def test_a_database_made_anew_knows_all_that_the_spool_holds(tmp_path, file):
    writer = SpoolWriter(spool_settings(tmp_path / "spool"))
    for series in ("1.2.3.1", "1.2.3.2"):
        for k, image in enumerate(classic(SeriesInstanceUID=series)):
            draft = writer.draft()
            draft.add(encoded(image))
            writer.append(receipt(sop_instance_uid=f"{series}.{k}", association=series), draft)
            draft.close()
        writer.append(association_end(association=series))

    def look():
        engine = open_database(f"sqlite:///{file}")
        assembly = assembled(tmp_path / "spool", Index(engine, b"key"), Completion(Patience()))
        assembly.restore(0.0)
        _, closed = assembly.turn(LATE)
        unjudged = Results(engine).unjudged()
        engine.dispose()
        return sorted((one.series_instance_uid, len(one.instances)) for one in closed), sorted(unjudged)

    before = look()
    damage(file, 0, 100)
    with pytest.raises(DatabaseDamaged):
        look()
    for path in tmp_path.glob("scanside.sqlite*"):
        path.rename(tmp_path / f"old-{path.name}")

    assert before == look()
    assert 2 == len(before[0])
    writer.close()


def test_a_folder_in_the_place_of_the_file_is_no_damage(file):
    file.mkdir()

    with pytest.raises(ConfigError, match="check `database`"):
        open_database(f"sqlite:///{file}")
