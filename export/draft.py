"""A bundle is written beside its place, verified, then moved there: what was there stays until then."""

import shutil
from collections.abc import Callable
from pathlib import Path

from models.bundle import Bundle, load_bundle, write_manifest
from models.manifest import Manifest
from models.methods.registry import method_of


def begin_draft(out: Path) -> Path:
    """An empty folder beside ``out``."""
    draft = out.with_name(out.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    return draft


def revised(folder: Path, out: Path, revise: Callable[[Path, Manifest], Manifest]) -> Bundle:
    """The bundle in ``folder`` at ``out``, which may be the same, with the manifest that ``revise`` makes of its own.

    ``revise`` is given the draft's folder with every file of the bundle.

    Raises:
        BundleError: it is not whole, or not of its method.
    """
    draft = begin_draft(out)
    shutil.copytree(folder, draft, dirs_exist_ok=True)
    write_manifest(draft, revise(draft, load_bundle(folder).manifest))
    method_of(load_bundle(draft))
    return finish_draft(draft, out)


def finish_draft(draft: Path, out: Path) -> Bundle:
    """Move it to ``out``.

    Raises:
        BundleError: it is not whole.
    """
    load_bundle(draft)
    shutil.rmtree(out, ignore_errors=True)
    draft.rename(out)
    return load_bundle(out)
