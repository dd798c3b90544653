"""A bundle's words in other languages: ``words.<language>.toml`` beside its manifest, English text = translation.

They are no part of the bundle's digest: who translates one makes no other bundle of it.
"""

import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from models.findings import AXES, Evidence
from models.manifest import BundleError, Manifest

_NAME: Final = re.compile(r"words\.([a-z]{2})\.toml")


def load_words(folder: Path, manifest: Manifest) -> dict[str, dict[str, str]]:
    """Language (ISO 639-1) -> what the manifest says in English -> the same in that language; ``folder``: its bundle's.

    Raises:
        BundleError: a file is no table of texts, lacks one that verdicts tell, or has one that the manifest does not.
    """
    return {language: _read(path, manifest) for language, path in _files(folder)}


def copy_words(source: Path, folder: Path) -> None:
    """Take the words of the bundle in ``source``, if there are any, to the one in ``folder``."""
    for _, path in _files(source):
        shutil.copyfile(path, folder / path.name)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.glob("words.*.toml")):
        if named := _NAME.fullmatch(path.name):
            yield named[1], path


def _read(path: Path, manifest: Manifest) -> dict[str, str]:
    try:
        words = tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise BundleError(f"{path.name} is no TOML ({type(error).__name__}): write it anew, or remove it") from error
    told = set(_told(manifest)) - {""}
    if lacking := sorted(told - set(words)):
        raise BundleError(f"{path.name} lacks words for {_quoted(lacking)}: add them, or remove the file")
    if foreign := sorted(set(words) - told - set(_named(manifest))):
        raise BundleError(f"{path.name} has words for {_quoted(foreign)}, which the bundle does not say: remove them")
    if wrong := sorted(text for text, word in words.items() if not (isinstance(word, str) and word.strip())):
        raise BundleError(f"{path.name} has no text for {_quoted(wrong)}: write one between quotes")
    return words


def _quoted(texts: list[str]) -> str:
    return ", ".join(f'"{text}"' for text in texts)


def _told(manifest: Manifest) -> Iterator[str]:
    """Every text of the bundle that a verdict may tell people."""
    past = manifest.past
    for cause in manifest.causes.values():
        yield cause.word
        yield cause.action
    for one in past.signals.values() if past else ():
        yield from (one.word, one.higher, one.lower)
    if past is None:
        yield from (manifest.organ.word, manifest.task)
        for name, signal in manifest.signals.items():
            if signal.evidence is not Evidence.DESCRIPTIVE:
                yield from (signal.structure, *(axis for axis in signal.axes if axis not in AXES))
                yield from () if signal.cause else (name,)


def _named(manifest: Manifest) -> Iterator[str]:
    """Names that tables show, and sentences that pictures do."""
    yield from (*manifest.signals, *manifest.structures)
    for cause in manifest.causes.values():
        yield cause.sentence
