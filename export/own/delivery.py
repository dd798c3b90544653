"""The last step: the finished bundle in its place."""

from functools import partial
from pathlib import Path
from shutil import copytree, rmtree

from training.running.pipeline import PipelineError, Step


def check_free(out: Path, run: Path) -> None:
    """That nothing lies at ``out`` but what this very run put there.

    Raises:
        PipelineError: something does.
    """
    if out.exists() and not (run / "stamps" / "deliver.begun").exists():
        raise PipelineError(f"{out} is there already: give another --out, or remove it")


def delivery(bundle: Path, out: Path, after: tuple[Path, ...]) -> Step:
    """Put ``bundle`` at ``out``, ``after`` what was made before it."""
    return Step(name="deliver", run=partial(_put, bundle, out), reads=(bundle, *after), makes=(out,))


def _put(bundle: Path, out: Path) -> None:
    """A copy beside its place, then moved there."""
    draft = out.with_name(f"{out.name}.part")
    for path in (draft, out):
        if path.exists():
            rmtree(path)
    out.parent.mkdir(parents=True, exist_ok=True)
    copytree(bundle, draft)
    draft.rename(out)
