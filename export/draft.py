"""A bundle is written beside its place, verified, then moved there: what was there stays until then."""

import shutil
from pathlib import Path

from models.bundle import Bundle, load_bundle


def begin_draft(out: Path) -> Path:
    """An empty folder beside ``out``."""
    draft = out.with_name(out.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    return draft


def finish_draft(draft: Path, out: Path) -> Bundle:
    """Move it to ``out``.

    Raises:
        BundleError: it is not whole.
    """
    load_bundle(draft)
    shutil.rmtree(out, ignore_errors=True)
    draft.rename(out)
    return load_bundle(out)
