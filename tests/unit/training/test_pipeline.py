"""Steps with stamps: done once, resumed where they were, made anew when what they were made from is another."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest

from training.running.contents import Contents
from training.running.pipeline import Pipeline, PipelineError, Step
from training.running.progress import Progress, counted, spoken, trained


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def line(tmp_path):
    """Three steps, each adding a letter to what it read; ``ran`` holds their names in order."""
    ran, source = [], tmp_path / "source"
    source.write_text("a")

    def add(name, before, after):
        ran.append(name)
        after.write_text(before.read_text() + name[0])

    def step(name, before, **options):
        after = tmp_path / f"{name}.txt"
        return Step(name=name, run=partial(add, name, before, after), reads=(before,), makes=(after,), **options)

    first = step("first", source)
    second = step("second", first.makes[0])
    third = step("third", second.makes[0])
    return ran, [first, second, third]


def run(tmp_path, steps):
    said = []
    Pipeline(tmp_path / "run", steps, said.append).run()
    return said


def test_what_is_done_is_not_done_again(line, tmp_path):
    ran, steps = line
    run(tmp_path, steps)
    said = run(tmp_path, steps)

    assert ["first", "second", "third"] == ran
    assert "afst" == steps[-1].makes[0].read_text()
    assert [f"[{n}/3] {s.name}: done before" for n, s in enumerate(steps, 1)] == said


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_killed_run_goes_on_at_its_step(line, tmp_path, number):
    ran, steps = line

    def die():
        raise Killed

    with pytest.raises(Killed):
        run(tmp_path, [*steps[:number], replace(steps[number], run=die)])
    run(tmp_path, steps)

    assert ["first", "second", "third"] == ran
    assert "afst" == steps[-1].makes[0].read_text()


def test_what_a_killed_step_had_begun_is_kept(tmp_path):
    made = tmp_path / "made"

    def begin():
        made.mkdir()
        (made / "checkpoint").write_text("half")
        raise Killed

    seen = []
    with pytest.raises(Killed):
        run(tmp_path, [Step(name="train", run=begin, makes=(made,))])
    run(tmp_path, [Step(name="train", run=lambda: seen.append((made / "checkpoint").read_text()), makes=(made,))])

    assert ["half"] == seen


def test_other_settings_begin_anew_and_so_does_all_that_follows(line, tmp_path):
    ran, steps = line
    run(tmp_path, steps)
    second = steps[1]

    def begin_anew():
        assert not second.makes[0].exists()
        second.run()

    run(tmp_path, [steps[0], replace(second, run=begin_anew, settings={"seed": 2}), steps[2]])

    assert ["first", "second", "third", "second", "third"] == ran


def test_more_of_the_same_goes_on_from_what_is_there(line, tmp_path):
    ran, steps = line
    run(tmp_path, steps)
    first = steps[0]

    def go_on():
        assert first.makes[0].exists()
        first.run()

    run(tmp_path, [replace(first, run=go_on, extent={"steps": 2}), *steps[1:]])

    assert ["first", "second", "third"] * 2 == ran  # what was made of less is made again


def test_another_input_makes_everything_anew(line, tmp_path):
    ran, steps = line
    run(tmp_path, steps)
    (tmp_path / "source").write_text("bb")
    run(tmp_path, steps)

    assert ["first", "second", "third"] * 2 == ran
    assert "bbfst" == steps[-1].makes[0].read_text()


def test_the_same_input_copied_anew_changes_nothing(line, tmp_path):
    ran, steps = line
    run(tmp_path, steps)
    source = tmp_path / "source"
    copied = tmp_path / "copied"
    copied.write_bytes(source.read_bytes())
    copied.rename(source)
    os.utime(source, (1, 1))
    said = run(tmp_path, steps)

    assert ["first", "second", "third"] == ran
    assert all(line.endswith("done before") for line in said)


def test_an_input_of_the_same_size_with_other_content_is_another_one_and_that_is_said(line, tmp_path):
    ran, steps = line
    run(tmp_path, steps)
    (tmp_path / "source").write_text("b")
    said = run(tmp_path, steps)

    assert ["first", "second", "third"] * 2 == ran
    assert "first: begins anew, its inputs or its settings are others" == said[0]


def test_a_folder_is_told_by_the_names_and_the_bytes_in_it_and_memory_may_be_lost(tmp_path):
    folder, memory = tmp_path / "folder", tmp_path / "memory.json"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "one").write_text("1")
    contents = Contents(memory)
    first = contents.digest(folder)
    contents.save()

    assert first == Contents(memory).digest(folder)
    for lost in ("", "[]", "{"):
        memory.write_text(lost)
        assert first == Contents(memory).digest(folder)
    (folder / "below" / "one").rename(folder / "below" / "two")
    assert first != Contents(memory).digest(folder)
    assert Contents(memory).digest(tmp_path / "nothing") != first


def test_what_did_not_change_is_not_read_again(tmp_path):
    path, memory = tmp_path / "file", tmp_path / "memory.json"
    path.write_text("1")
    contents = Contents(memory)
    first = contents.digest(path)
    contents.save()
    kept = path.stat()
    path.write_text("2")
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))

    assert first == Contents(memory).digest(path)
    os.utime(path, (1, 1))
    assert first != Contents(memory).digest(path)


def test_what_was_removed_is_made_again(line, tmp_path):
    ran, steps = line
    run(tmp_path, steps)
    steps[-1].makes[0].unlink()
    run(tmp_path, steps)

    assert ["first", "second", "third", "third"] == ran


def test_a_step_that_makes_nothing_is_told(tmp_path):
    with pytest.raises(PipelineError, match="step idle did not make"):
        run(tmp_path, [Step(name="idle", run=lambda: None, makes=(tmp_path / "nothing",))])


_HOLD = """
import fcntl, sys
with open(sys.argv[1], "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_commands_do_not_work_in_one_folder(line, tmp_path):
    ran, steps = line
    (tmp_path / "run" / "stamps").mkdir(parents=True)
    command = [sys.executable, "-c", _HOLD, tmp_path / "run" / "stamps" / "lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert "held" == other.stdout.readline().strip()
        with pytest.raises(PipelineError, match="another command works"):
            run(tmp_path, steps)
        assert not ran
        other.kill()
        other.wait()
        run(tmp_path, steps)

    assert ["first", "second", "third"] == ran


def test_the_time_left_follows_the_pace_of_this_run():
    first = Step(name="first", run=print, makes=(), seconds=100)
    half = {"share": 0.0}
    second = Step(name="second", run=print, makes=(), seconds=300, done=lambda: half["share"])
    before = Step(name="before", run=print, makes=(), seconds=1000)
    now = {"s": 0.0}
    progress = Progress([before, first, second], [before], lambda _: None, 60, lambda: now["s"])

    assert 400 == progress.left_s(first, 0)
    with progress.of(first):
        now["s"] = 200.0  # twice the hundred seconds that were expected
    assert 600 == progress.left_s(second, 0)
    half["share"] = 0.5
    assert 300 == pytest.approx(progress.left_s(second, 300))


def test_progress_is_read_from_what_trainers_leave(tmp_path):
    assert 0.0 == trained(tmp_path, 10)()
    (tmp_path / "log.jsonl").write_text(json.dumps({"step": 4}) + "\n")
    assert 0.4 == trained(tmp_path, 10)()
    (tmp_path / "log.jsonl").write_text('{"step": ')
    assert 0.0 == trained(tmp_path, 10)()
    assert 0.25 == counted(tmp_path, "*.jsonl", 4)()
    assert 0.0 == counted(tmp_path / "not there", "*", 4)()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89, "89 s"), (600, "10 min"), (3 * 3600 + 1200, "3 h 20 min"), (52 * 3600, "2 d 4 h")],
)
def test_a_time_is_spoken_as_people_do(seconds, words):
    assert words == spoken(seconds)
