"""python -m export.any_mr FOLDER: the bundle of any MR image, which has no weights: names, codes, a golden phantom."""

import argparse
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from models.bundle import Bundle, file_digest, load_bundle, structured, write_manifest
from models.engines.interface import F32
from models.manifest import Manifest
from models.methods.any_mr import ROLE, AnyMr
from models.subject import Image, Subject, still

NAME, VERSION = "any-mr", "0.3.0"
PHANTOM = "golden/phantom.nii.gz"
#: How far a host may be off: sums of some hundred thousand numbers in another order.
_TOLERANCE = 0.002


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the bundle and print where it lies."""
    parser = argparse.ArgumentParser(prog="python -m export.any_mr", description=__doc__)
    parser.add_argument("folder", type=Path)
    bundle = export_any_mr(parser.parse_args(arguments).folder)
    print(f"{bundle.folder} {bundle.manifest.version} {bundle.digest[:12]}")


def export_any_mr(folder: Path) -> Bundle:
    """Write the bundle in the place of what was there; its words in other languages stay."""
    shutil.rmtree((folder / PHANTOM).parent, ignore_errors=True)
    (folder / PHANTOM).parent.mkdir(parents=True)
    image = phantom()
    nib.save(nib.Nifti1Image(image.still.astype(np.int16), image.affine), folder / PHANTOM)
    files = {PHANTOM: file_digest(folder / PHANTOM)}
    method = AnyMr(Bundle(folder, _manifest(files, {}), ""))
    findings = method.examine(Subject(images={ROLE: image}), {})
    expected = {signal.name: signal.value for signal in findings.signals}
    expected |= {structure.name: structure.volume_ml for structure in findings.structures}
    write_manifest(folder, _manifest(files, expected))
    return load_bundle(folder)


def _manifest(files: Mapping[str, str], expected: Mapping[str, float]) -> Manifest:
    declared = tomllib.loads(Path(__file__).with_name("any_mr.toml").read_text())
    measured = {
        "name": NAME,
        "version": VERSION,
        "golden": {
            "images": {ROLE: PHANTOM},
            "outputs": "",
            "expected": dict(expected),
            "tolerances": {F32: {"numbers": _TOLERANCE, "outputs": _TOLERANCE}},
        },
        "training": {"data": ["nothing: it has no weights"], "licence": "Apache-2.0", "notice": ""},
        "files": dict(files),
    }
    return structured({"format": 5, **declared, **measured}, Manifest)


def phantom() -> Image:
    """Two tissues in air and Rician noise, a weak ghost half a field of view away, one slice that lost signal."""
    rng = np.random.default_rng(20)
    shape = (72, 64, 20)
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, side, dtype=np.float32) for side in shape), indexing="ij")
    radius = np.sqrt((i / 0.6) ** 2 + (j / 0.5) ** 2 + (k / 1.4) ** 2)
    body = np.select([radius < _INNER, radius < 1], [np.float32(900), np.float32(500)], np.float32(0))
    body *= 1 + np.float32(0.1) * i
    ghosted = body + np.float32(0.03) * np.roll(body, shape[1] // 2, axis=1)
    ghosted[:, :, _DIMMED] *= np.float32(0.8)
    noise = (rng.normal(0, 15, shape).astype(np.float32) for _ in range(2))
    voxels: npt.NDArray[np.float32] = np.rint(np.hypot(ghosted + next(noise), next(noise))).astype(np.float32)
    return still(voxels, np.diag([2.0, 2.0, 4.0, 1.0]))


#: Radius of the brighter tissue in that of the body; the slice that lost a fifth of its signal.
_INNER, _DIMMED = 0.6, 12


if __name__ == "__main__":
    main()
