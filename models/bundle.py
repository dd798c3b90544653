"""The bundle: a folder of ONNX graphs and a manifest that says everything a host must know to use them.

``manifest.json`` names every file with its SHA-256; loading verifies all of them, so that a bundle is whole or is
refused. It holds data only: no code, no pickle.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cattrs import BaseValidationError, Converter, transform_error

from models.findings import Evidence
from models.manifest import BundleError, Manifest, Reference
from models.past import Past
from models.words import load_words

__all__ = [
    "MANIFEST",
    "Bundle",
    "BundleError",
    "Manifest",
    "file_digest",
    "load_bundle",
    "parse_manifest",
    "read_manifest",
    "structured",
    "write_manifest",
]

MANIFEST = "manifest.json"
_T = TypeVar("_T")
_AGAIN = "export the bundle again"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle on disk. ``digest``: SHA-256 of its manifest, which covers every file."""

    folder: Path
    manifest: Manifest
    digest: str

    def file(self, name: str) -> Path:
        """Path of one of its files."""
        return self.folder / name


def load_bundle(folder: Path) -> Bundle:
    """Read and verify a bundle.

    Raises:
        BundleError: no manifest, another format, an unknown or missing key, a missing or changed file, words in another
            language that are not those of the manifest.
    """
    text = _text(folder)
    manifest = parse_manifest(text)
    for name, digest in manifest.files.items():
        _verify(folder, name, digest)
    load_words(folder, manifest)
    return Bundle(folder, manifest, hashlib.sha256(text).hexdigest())


def read_manifest(folder: Path) -> Manifest:
    """What a bundle says of itself, without a look at its other files.

    Raises:
        BundleError: no manifest, another format, an unknown or missing key.
    """
    return parse_manifest(_text(folder))


def _text(folder: Path) -> bytes:
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"no {MANIFEST} in {folder}: give the folder of a bundle")
    return path.read_bytes()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest as stable, readable JSON; what is as it would be anyway is left out."""
    (folder / MANIFEST).write_text(json.dumps(_CONVERTER.unstructure(manifest), indent=1) + "\n")


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(folder: Path, name: str, digest: str) -> None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BundleError(f"the bundle names a file outside its folder ({name}): do not use it")
    if not path.is_file():
        raise BundleError(f"the bundle lacks {name}: copy it again")
    if file_digest(path) != digest:
        raise BundleError(f"{name} is not the file the bundle was made with: copy it again")


def parse_manifest(text: bytes) -> Manifest:
    """The manifest from its JSON text.

    Raises:
        BundleError: not JSON, another format, an unknown or missing key, or a name that nothing declares.
    """
    try:
        manifest = structured(json.loads(text), Manifest)
    except ValueError as error:
        raise BundleError(f"manifest.json is not of this format ({type(error).__name__}): {_AGAIN}") from error
    if wrong := list(_faults(manifest)):
        raise BundleError(f"manifest.json {'; '.join(wrong)}: {_AGAIN}")
    return manifest


def structured(content: object, wanted: type[_T]) -> _T:
    """``content``, plain JSON values, as a dataclass; nothing missing, nothing besides.

    Raises:
        BundleError: it is not of that shape.
    """
    try:
        return _CONVERTER.structure(content, wanted)
    except (BaseValidationError, ValueError, TypeError, AttributeError, KeyError) as error:
        said = "; ".join(transform_error(error)) if isinstance(error, BaseValidationError) else type(error).__name__
        raise BundleError(f"manifest.json is not of this format ({said}): {_AGAIN}") from error


_CONVERTER = Converter(forbid_extra_keys=True, omit_if_default=True)


def _faults(manifest: Manifest) -> Iterator[str]:
    """Names that nothing declares, and what leaves a series without a reference."""
    signals, causes, structures = set(manifest.signals), set(manifest.causes), set(manifest.structures)
    entries, golden = manifest.signals.values(), manifest.golden
    named: dict[str, tuple[set[str], set[str]]] = {
        "primary": ({manifest.primary}, signals),
        "signals.cause": ({entry.cause for entry in entries} - {""}, causes),
        "signals.structure": ({entry.structure for entry in entries} - {""}, structures),
        "signals.compared_with": ({entry.compared_with for entry in entries} - {""}, signals),
        "references": ({name for reference in manifest.references for name in reference.scores}, signals),
        "known": (
            set(manifest.known.scores),
            {n for n, e in manifest.signals.items() if e.evidence is Evidence.FAMILIARITY},
        ),
        "past": (set(_compared(manifest.past)), signals),
        "golden.expected": (set(golden.expected), signals | structures),
        "golden.images": (set(golden.images) ^ set(manifest.inputs), set()),
        "files": (
            {*(graph.file for graph in manifest.graphs.values()), *golden.images.values(), golden.outputs} - {""},
            set(manifest.files),
        ),
    }
    for place, (names, declared) in named.items():
        if foreign := sorted(names - declared):
            yield f"names in {place} what it does not declare ({', '.join(foreign)})"
    if bare := sorted(name for name, graph in manifest.graphs.items() if not (graph.inputs and graph.outputs)):
        yield f"declares no inputs or no outputs of its graphs ({', '.join(bare)})"
    if both := sorted(signals & structures):
        yield f"calls a signal and a structure alike ({', '.join(both)})"
    if min(manifest.thresholds.impaired, manifest.thresholds.tolerated_loss) <= 0:
        yield "tolerates no loss at all (thresholds.impaired, thresholds.tolerated_loss)"
    if not manifest.inputs:
        yield "has no inputs"
    if manifest.graphs and not golden.outputs:
        yield "has no golden outputs of its graphs (golden.outputs)"
    yield from _faults_of_past(manifest)
    if not (_complete(manifest.references) or (manifest.past is not None and not manifest.references)):
        yield "does not give every series one reference"


def _faults_of_past(manifest: Manifest) -> Iterator[str]:
    if manifest.past is None:
        return
    if manifest.primary != manifest.past.deviation:
        yield "ranks series by another signal than their deviation from the past"
    if manifest.past.artefact not in manifest.past.signals:
        yield "does not say how the odds of an artefact are compared (past.signals)"


def _compared(past: Past | None) -> Iterator[str]:
    """The signals that a comparison with the past names."""
    if past is not None:
        yield past.deviation
        yield from past.signals
        yield from (name for one in past.signals.values() for name in (one.at, one.at_volume) if name)


def _complete(references: tuple[Reference, ...]) -> bool:
    """The finest first, the last for any series, and the same signals in all."""
    sides = [reference.coarsest_mm for reference in references]
    return (
        sides[-1:] == [None]
        and sides[:-1] == sorted(side for side in sides if side is not None)
        and len({tuple(sorted(reference.scores)) for reference in references}) == 1
    )
