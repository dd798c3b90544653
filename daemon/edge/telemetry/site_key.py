"""The site's secret, under which UIDs become tokens."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from daemon.core.errors import ConfigError
from daemon.edge.private import make_folder

_SITE_KEY_BYTES = 32


def site_key(path: Path) -> bytes:
    """The secret in the file ``path``; made at the first start, readable by its owner only.

    Of processes that start at once, the first one's counts.

    Raises:
        ConfigError: the storage folder, where it lies, cannot be used.
    """
    try:
        if not path.exists():
            make_folder(path.parent)
            _make(path)
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the storage folder {path.parent} cannot be used ({error.strerror}): let this user write there"
        ) from error


def _make(path: Path) -> None:
    """Written beside its place and linked there: others find it whole or not at all."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_SITE_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
