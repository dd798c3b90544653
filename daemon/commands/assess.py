"""scanside assess: the daemon's judgement of one series on disk, without a daemon.

A DICOM folder or file goes through the daemon's own reader; a NIfTI file brings its volume along.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from daemon.commands.bids import other_than_t1
from daemon.commands.finding import NIFTI
from daemon.config import SHIPPED, Settings, load_settings
from daemon.core.errors import ConfigError, NotAssessable, Reason, SpoolError
from daemon.core.reference import choose
from daemon.core.routing import Route
from daemon.core.values import Verdict, Volume
from daemon.core.verdict import decline
from daemon.edge.content import FileContent
from daemon.edge.engines import engine_maker
from daemon.edge.references import load_references
from daemon.examination import Examination, Examiners, read_nifti
from daemon.selection import Candidate, check_size, select, select_volume
from models.prediction import Prediction
from models.preprocess import FloatArray, Grid, canonical, resample, restore
from models.refinement import labels_on_own_grid


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("path", type=Path, help="DICOM folder, DICOM file or NIfTI file of one series")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    parser.add_argument("--maps", type=Path, help="folder for labels and variances on the input's own grid")
    parser.add_argument("--scanner", default="", help="calling AE title: judge as if it had come from there")


def run(options: argparse.Namespace) -> int:
    """Judge, write the maps that are asked for, and print the answer."""
    appraisal = appraise(options.path, load_settings(options.config), options.scanner)
    if options.maps:
        write_maps(appraisal, options.maps)
    summary = summarise(appraisal)
    if options.json:
        print(json.dumps(summary, indent=1))
    else:
        print(
            f"{summary['verdict']} {summary['cause'] or ''} uncertainty {summary['uncertainty']}: {summary['action']}"
        )
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraisal:
    """The answer for one path: the verdict, and the examination behind it if there was one."""

    verdict: Verdict
    volume: Volume | None
    examination: Examination | None


class Appraiser:
    """Judges series on disk with the configured bundles, each of which is loaded once.

    ``proven``: each must pass its golden test before it judges anything.
    """

    def __init__(self, settings: Settings, *, proven: bool = False) -> None:
        self._settings = settings
        self._examiners = Examiners(
            settings.bundle_folders, engine_maker(settings.engine, settings.compiled), proven=proven
        )

    def prepare(self) -> None:
        """Check all bundles, and load the shipped one, before the first series rather than with it.

        Raises:
            BundleError: a bundle is not whole, or gets other numbers than its maker on this machine.
            ConfigError: the configured provider is not the active one.
        """
        self._examiners.prepare(SHIPPED)

    def appraise(self, files: Sequence[Path], scanner: str = "") -> Appraisal:
        """Judge one series, as one that came from ``scanner`` (calling AE title) if that is given.

        Raises:
            ConfigError: it cannot be read at all; the scanner's references cannot be used.
            OSError: a file cannot be read now.
            BundleError: the bundle that judges it cannot be used.
        """
        settings, volume = self._settings, None
        try:
            candidate = _candidate(files, settings.routes, scanner)
            volume = candidate.volume
            examiner = self._examiners.get(candidate.bundle)
            bundle = examiner.bundle
            references = load_references(settings.references_of(candidate.bundle), bundle) if scanner else None
            standard = choose(references, bundle.manifest, candidate.origin(scanner), settings.judgement.rule)
            examination = examiner.examine(volume, standard)
        except NotAssessable as error:
            return Appraisal(verdict=decline(error.reason, error.detail), volume=volume, examination=None)
        return Appraisal(verdict=examination.verdict, volume=volume, examination=examination)


def appraise(path: Path, settings: Settings, scanner: str = "") -> Appraisal:
    """Judge the series at ``path``, as one that came from ``scanner`` (calling AE title) if that is given.

    Raises:
        ConfigError: there is no image at the path, or it cannot be read; the scanner's references cannot be used.
        BundleError: the configured bundle cannot be used.
    """
    appraisal = Appraiser(settings).appraise(files_of(path), scanner)
    if Reason.EMPTY in appraisal.verdict.reasons:
        raise ConfigError(f"no image at {path}: give a DICOM folder, a DICOM file or a NIfTI file")
    return appraisal


def files_of(path: Path) -> list[Path]:
    """The files of a DICOM folder, or the one file.

    Raises:
        ConfigError: there is nothing at the path.
    """
    if not path.exists():
        raise ConfigError(f"there is nothing at {path}: give a DICOM folder, a DICOM file or a NIfTI file")
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def _candidate(files: Sequence[Path], routes: Sequence[Route], scanner: str) -> Candidate:
    check_size([file.stat().st_size for file in files])
    if len(files) == 1 and files[0].name.endswith(NIFTI):
        candidate = select_volume(read_nifti(files[0]), routes, scanner)
        suffix = other_than_t1(files[0].name)
        if suffix and candidate.bundle == SHIPPED:
            raise NotAssessable(Reason.CONTRAST, f"{suffix} by its BIDS name")
        return candidate
    try:
        return select(map(FileContent, files), routes, scanner)
    except SpoolError as error:  # one of the files cannot be read now
        raise error.__cause__ or error from None


def summarise(appraisal: Appraisal) -> dict[str, Any]:
    """The appraisal as plain JSON values; a number that is none becomes null."""
    verdict = appraisal.verdict
    summary: dict[str, Any] = {
        "verdict": verdict.state,
        "cause": verdict.cause,
        "action": verdict.action,
        "reasons": list(verdict.reasons),
        "uncertainty": None,
    }
    if appraisal.examination is not None:
        assessment = appraisal.examination.assessment
        summary |= {
            "uncertainty": _number(assessment.uncertainty.value),
            "rating": verdict.rating,
            "causes": {artefact.value: _number(p) for artefact, p in assessment.causes.items()},
            "volumes_ml": {name: _number(v) for name, v in assessment.volumes_ml.items()},
            "intervals_ml": {name: [_number(v) for v in ends] for name, ends in assessment.intervals_ml.items()},
            "measures": {
                name: {key: _number(v) if isinstance(v, float) else v for key, v in asdict(measure).items()}
                for name, measure in assessment.measures.items()
            },
            "reference": assessment.reference,
            "seconds": appraisal.examination.seconds,
        }
    return summary


def write_maps(appraisal: Appraisal, folder: Path) -> list[Path]:
    """Write labels and variances on the input's own grid; nothing where there was no examination."""
    if appraisal.examination is None or appraisal.volume is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    prediction, volume = appraisal.examination.prediction, appraisal.volume
    labels = labels_on_own_grid(volume.voxels, volume.affine, prediction)
    written = [_save(labels, volume, folder / "labels.nii.gz")]
    for artefact, variance in prediction.variances.items():
        path = folder / f"variance-{artefact.value}.nii.gz"
        written.append(_save(_values_on(variance, prediction, volume), volume, path))
    return written


def _values_on(values: FloatArray, prediction: Prediction, volume: Volume) -> FloatArray:
    box = Grid(prediction.labels.shape, prediction.affine)
    turned, affine = canonical(volume.voxels, volume.affine)
    return restore(resample(values, box, Grid(turned.shape, affine)), volume.affine)


def _save(values: npt.NDArray[np.generic], volume: Volume, path: Path) -> Path:
    nib.save(nib.Nifti1Image(values, volume.affine), path)
    return path


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
