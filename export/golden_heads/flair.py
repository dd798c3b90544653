"""The golden head of a lesion bundle: a synthetic FLAIR with its T1, and the numbers that every host must get."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from daemon.edge.files.nifti import read_nifti
from export.declared import OUTPUTS, SERIES, SERIES_BESIDE
from models.bundle import Bundle, file_digest
from models.golden import Recorder, save_record
from models.graphs import Run
from models.manifest import Manifest
from models.methods.lesions import STRUCTURE, Lesions
from models.subject import Subject
from training.lesions.anatomy import SPACING_MM, draw_anatomy
from training.lesions.atlas import Atlas
from training.lesions.contrast import draw_flair
from training.lesions.load import draw_lesions
from training.lesions.t1 import draw_t1
from training.synthesis.generators import generators_of
from training.synthesis.heads import CorruptionModel

#: The seed of a head that no training stream used.
_SEED = 9105
_LEVELS = 1000
#: How far the header of the golden T1 is off, in mm.
_OFF_MM = (4.0, -9.0, 6.0)


def write_golden_heads(atlas: Atlas, folder: Path) -> None:
    """A synthetic FLAIR of 2 mm with about 12 mL of lesions and its T1, whose header is off."""
    generators = generators_of(_SEED)
    anatomy = draw_anatomy(atlas, generators)
    lesions = draw_lesions(anatomy, 12.0, generators)
    flair = draw_flair(anatomy, lesions, generators).numpy()
    _write_levels(flair + 0.03 * generators.host.standard_normal(flair.shape), np.zeros(3), folder / SERIES)
    t1 = draw_t1(anatomy, lesions, CorruptionModel(probability=0.0), generators).numpy()
    _write_levels(t1, np.asarray(_OFF_MM), folder / SERIES_BESIDE)


def _write_levels(image: npt.NDArray[np.floating], off_mm: npt.NDArray[np.float64], path: Path) -> None:
    """Magnitudes as 16-bit integers; the header puts their centre at ``off_mm``."""
    noisy = np.abs(image)
    levels = np.rint(noisy * (_LEVELS / np.percentile(noisy, 99.5))).astype(np.int16)
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    affine[:3, 3] = off_mm - (np.asarray(image.shape) - 1) * SPACING_MM / 2
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(levels, affine).to_filename(path)


def golden_subject(folder: Path, manifest: Manifest) -> Subject:
    """The golden head as it lies in a bundle's ``folder``."""
    return Subject(images={role: read_nifti(folder / file) for role, file in manifest.golden.images.items()})


def with_golden(draft: Path, manifest: Manifest, graphs: Mapping[str, Run]) -> Manifest:
    """What the golden head must give; the graphs' outputs are written beside it."""
    recorders = {name: Recorder(run) for name, run in graphs.items()}
    findings = Lesions(Bundle(draft, manifest, "")).examine(golden_subject(draft, manifest), recorders)
    save_record(draft / OUTPUTS, {name: recorder.values for name, recorder in recorders.items()})
    # in bf16 a lesion of two voxels comes or goes
    expected = {signal.name: signal.value for signal in findings.signals if signal.name != "lesion count"}
    expected |= {STRUCTURE: findings.structures[0].volume_ml}
    golden = replace(manifest.golden, expected=expected)
    return replace(manifest, golden=golden, files={**manifest.files, OUTPUTS: file_digest(draft / OUTPUTS)})
