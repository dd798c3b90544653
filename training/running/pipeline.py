"""Named steps, each with what it reads and makes: done once, and anew when what it was made from is another.

A step that is done leaves a stamp; a run that was killed, wherever it was, goes on at the first step without one. What
a step had begun is kept if it is of the same settings and of the same inputs, by what they hold (a trainer resumes from
its checkpoint), and removed otherwise.
"""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from training.running.contents import Contents
from training.running.progress import Progress, nothing_yet


class PipelineError(RuntimeError):
    """The steps cannot be run here, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. ``reads`` and ``makes``: files or folders; what it makes is its own, and removed to begin anew.

    ``settings`` decide what is made; ``extent`` how much of it: where only that is another, the step goes on from what
    is there. ``seconds``: that it takes on the machine of docs/training.md; ``done``: the share that is done, 0 to 1.
    """

    name: str
    run: Callable[[], object]
    makes: tuple[Path, ...]
    reads: tuple[Path, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    extent: Mapping[str, object] = field(default_factory=dict)
    seconds: float = 1.0
    done: Callable[[], float] = nothing_yet


class Pipeline:
    """Steps in their order, with their stamps in ``folder``/stamps; ``say`` takes a line of progress."""

    def __init__(
        self, folder: Path, steps: Sequence[Step], say: Callable[[str], None] = print, every_s: float = 30.0
    ) -> None:
        self._stamps = folder / "stamps"
        self._contents = Contents(self._stamps / "contents.json")
        self._steps, self._say, self._every_s = tuple(steps), say, every_s

    def run(self) -> None:
        """Run what is not done.

        Raises:
            PipelineError: another process runs in the folder, or a step did not make what it should.
        """
        self._stamps.mkdir(parents=True, exist_ok=True)
        with _alone(self._stamps / "lock"):
            self._clear_from_the_first_change()
            self._contents.save()
            done = [step for step in self._steps if self._is_done(step)]
            progress = Progress(self._steps, done, self._say, self._every_s)
            for step in self._steps:
                if step in done:
                    progress.pass_over(step)
                    continue
                self._begun(step).write_text(self._identity(step))
                with progress.of(step) as seconds:
                    step.run()
                self._finish(step, seconds())

    def _clear_from_the_first_change(self) -> None:
        """What was begun or made of other inputs or settings goes; what comes after it changes with it."""
        for step in self._steps:
            begun = self._begun(step)
            if begun.exists() and begun.read_text() != self._identity(step):
                self._say(f"{step.name}: begins anew, its inputs or its settings are others")
                self._stamp(step).unlink(missing_ok=True)
                for path in step.makes:
                    _remove(path)
                begun.unlink()

    def _is_done(self, step: Step) -> bool:
        try:
            stamp = json.loads(self._stamp(step).read_text())
        except (OSError, ValueError):
            return False
        if not isinstance(stamp, dict):
            return False
        return bool(stamp | {"seconds": 0.0} == self._stamp_of(step, 0.0))

    def _finish(self, step: Step, seconds: float) -> None:
        if lacking := [path for path in step.makes if not path.exists()]:
            raise PipelineError(f"step {step.name} did not make {', '.join(map(str, lacking))}: run the command again")
        partial = self._stamp(step).with_suffix(".part")
        partial.write_text(json.dumps(self._stamp_of(step, seconds)))
        partial.rename(self._stamp(step))

    def _stamp_of(self, step: Step, seconds: float) -> dict[str, object]:
        return {
            "identity": self._identity(step),
            "extent": _digest(step.extent),
            "made": [_state(path) for path in step.makes],
            "seconds": round(seconds, 1),
        }

    def _identity(self, step: Step) -> str:
        """Of its settings and of everything that it reads: of another step's things by that step."""
        return _digest([step.name, step.settings, [self._source(path) for path in step.reads]])

    def _source(self, path: Path) -> object:
        for step in self._steps:
            if any(path == made or made in path.parents for made in step.makes):
                return [self._identity(step), step.extent]
        return [path.name, self._contents.digest(path)]

    def _stamp(self, step: Step) -> Path:
        return self._stamps / f"{step.name}.json"

    def _begun(self, step: Step) -> Path:
        return self._stamps / f"{step.name}.begun"


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time; the lock goes with the process that holds it, whatever its workers do (POSIX locks)."""
    with lock.open("w") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise PipelineError(
                f"another command works in {lock.parents[1]}: wait for it, or give another --run"
            ) from error
        yield


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _state(path: Path) -> object:
    """How many files there are, and how many bytes in all."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        return [len(files), sum(p.stat().st_size for p in files)]
    return [path.stat().st_size] if path.exists() else None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
