"""The bundle: a folder of ONNX graphs and a manifest that says everything a host must know to use them.

``manifest.json`` names every file with its SHA-256; loading verifies all of them, so that a bundle is whole or is
refused. It holds data only: no code, no pickle.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from cattrs import BaseValidationError, Converter, transform_error

MANIFEST = "manifest.json"
_CONVERTER = Converter(forbid_extra_keys=True)


class BundleError(Exception):
    """A bundle is damaged, foreign, or not for this software; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkGrid:
    """The grid that a bundle's network was trained on."""

    spacing_mm: float
    box: tuple[int, int, int]
    locator_multiple: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Scores of accepted series that a new score is compared with.

    ``scores``: measure name -> ascending values, one a series; ``source``: which series they come from;
    ``coarsest_mm``: they are for series whose voxels have no side longer than this, None: for any series.
    """

    source: str
    scores: Mapping[str, tuple[float, ...]]
    coarsest_mm: float | None = None

    def suits(self, coarsest_mm: float) -> bool:
        """Whether it is for series whose voxels' longest side is ``coarsest_mm``."""
        return self.coarsest_mm is None or coarsest_mm <= self.coarsest_mm


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When a signal counts.

    ``alpha``: tolerated share of false alarms, shared by all signals; ``impaired``: the uncertainty above which the
    segmentation is expected to have lost more than ``dice_loss``; ``unfamiliar``: tolerated share of heads that are
    called unlike every head, shared by the distances.
    """

    alpha: float
    impaired: float
    dice_loss: float
    unfamiliar: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far a host may be from the bundle's maker in one precision.

    ``numbers``: of each golden number, relative to it; ``outputs``: of each output of a graph, the Euclidean norm of
    the difference relative to that of the output.
    """

    numbers: float
    outputs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A series that ships with the bundle, and what the host must get for it.

    ``outputs``: the file of what each graph gives (``models/golden.py``); ``expected``: the numbers of the examination;
    ``tolerances``: precision (f32, bf16, f16) -> how near; the bundle is not for a precision that is not there.
    """

    series: str
    outputs: str
    expected: Mapping[str, float]
    tolerances: Mapping[str, Tolerance]

    def tolerance_of(self, precision: str) -> Tolerance:
        """How near an engine of this precision must come.

        Raises:
            BundleError: nobody has shown that the bundle is good for it.
        """
        if precision not in self.tolerances:
            raise BundleError(
                f"the bundle is for {' or '.join(self.tolerances)}, not for {precision}: configure engine.precision so"
            )
        return self.tolerances[precision]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far ONNX was from torch on the export's own check: largest absolute differences, share of equal labels."""

    logits: float
    variances: float
    causes: float
    factor: float
    deviation: float
    embedding: float
    entropy: float
    labels_equal: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What the weights were trained on, and under which licence they may be used."""

    data: tuple[str, ...]
    licence: str
    notice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything a host must know; see the field's own types.

    ``longest_echo_ms``: a series with a longer echo time has another contrast than this task's; ``familiarity``: the
    file of the spaces that distances are measured in; ``references``: the finest voxels first, the last for any series,
    all of the same signals; ``known``: distances of heads that these were not fitted to; ``interval_margins``: tissue
    -> how far its volume's interval is widened; ``files``: relative path -> SHA-256.
    """

    format: Literal[4]
    name: str
    version: str
    task: str
    intended_use: str
    locator: str
    judge: str
    familiarity: str
    longest_echo_ms: float
    network: NetworkGrid
    normalisation: str
    labels: tuple[str, ...]
    artefacts: tuple[str, ...]
    features: tuple[str, ...]
    references: tuple[Reference, ...]
    known: Reference
    interval_margins: Mapping[str, float]
    thresholds: Thresholds
    golden: Golden
    parity: Parity
    training: Training
    files: Mapping[str, str]

    @property
    def signals(self) -> tuple[str, ...]:
        """The scores that are compared with a reference."""
        return tuple(self.references[-1].scores)

    def reference_of(self, coarsest_mm: float) -> Reference:
        """What a series is compared with whose voxels' longest side is ``coarsest_mm``: images alike in resolution."""
        return next(reference for reference in self.references if reference.suits(coarsest_mm))


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
        BundleError: no manifest, another format, an unknown or missing key, a missing or changed file.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"no {MANIFEST} in {folder}: give the folder of a bundle")
    text = path.read_bytes()
    manifest = parse_manifest(text)
    for name, digest in manifest.files.items():
        _verify(folder, name, digest)
    return Bundle(folder, manifest, hashlib.sha256(text).hexdigest())


def parse_manifest(text: bytes) -> Manifest:
    """The manifest from its JSON text.

    Raises:
        BundleError: not JSON, another format, an unknown or missing key, references that leave a series without one.
    """
    try:
        manifest = _CONVERTER.structure(json.loads(text), Manifest)
    except (BaseValidationError, ValueError, AttributeError) as error:  # AttributeError: no JSON object
        raise BundleError(f"manifest.json is not of this format ({_what(error)}): export the bundle again") from error
    if not _complete(manifest.references):
        raise BundleError("manifest.json does not give every series one reference: export the bundle again")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest as stable, readable JSON."""
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n")


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _complete(references: tuple[Reference, ...]) -> bool:
    """The finest first, the last for any series, and the same signals in all."""
    sides = [reference.coarsest_mm for reference in references]
    return (
        sides[-1:] == [None]
        and sides[:-1] == sorted(side for side in sides if side is not None)
        and len({tuple(sorted(reference.scores)) for reference in references}) == 1
    )


def _what(error: Exception) -> str:
    return "; ".join(transform_error(error)) if isinstance(error, BaseValidationError) else type(error).__name__


def _verify(folder: Path, name: str, digest: str) -> None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BundleError(f"the bundle names a file outside its folder ({name}): do not use it")
    if not path.is_file():
        raise BundleError(f"the bundle lacks {name}: copy it again")
    if file_digest(path) != digest:
        raise BundleError(f"{name} is not the file the bundle was made with: copy it again")
