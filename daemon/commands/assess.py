"""scanside assess: the daemon's judgement of one series on disk, without a daemon.

A DICOM folder or file goes through the daemon's own reader; a NIfTI file brings its image along.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from daemon.commands.finding import NIFTI
from daemon.config import Settings, load_settings
from daemon.core.bids import suffix_of
from daemon.core.errors import PASSED_ON, ConfigError, NotAssessable, Reason, SpoolError
from daemon.core.measures import Assessment, Measure
from daemon.core.reference import choose
from daemon.core.routing import Route
from daemon.core.values import Verdict
from daemon.core.verdict import decline
from daemon.edge.engines import engine_maker
from daemon.edge.files.content import FileContent
from daemon.edge.files.nifti import read_nifti
from daemon.edge.files.references import load_references
from daemon.edge.files.tables import MEASURED, PLACES
from daemon.examination import Examination, Examiners
from daemon.routes import all_routes
from daemon.selection import Candidate, check_size, select, select_image
from models.subject import Image


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
    """The answer for one path: the verdict, and the examination behind it if there was one.

    ``measured``: what the bundle that takes any image measured of it, where that was asked for.
    """

    verdict: Verdict
    image: Image | None
    examination: Examination | None
    measured: Assessment | None = None


class Appraiser:
    """Judges series on disk with the configured bundles, all of which have passed their golden tests.

    Raises:
        BundleError: a bundle cannot be used, or gets other numbers than its maker on this machine.
        ConfigError: the configured engine is not the active one.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._routes = all_routes(settings)
        self._examiners = Examiners(settings.bundle_folders, engine_maker(settings.engine, settings.compiled))
        self._examiners.prepare()

    def appraise(self, files: Sequence[Path], scanner: str = "") -> Appraisal:
        """Judge one series, as one that came from ``scanner`` (calling AE title) if that is given.

        Raises:
            ConfigError: it cannot be read at all; the scanner's references cannot be used.
            OSError: a file cannot be read now.
        """
        image = None
        try:
            candidate = _candidate(files, self._routes, scanner)
            image = candidate.image
            *first, last = (candidate.bundle, *candidate.others)
            for name in first:
                try:
                    return self._examined(name, candidate, image, scanner)
                except NotAssessable as error:
                    if error.reason not in PASSED_ON:
                        raise
                    remark = "; ".join(filter(None, (image.remark, f"{name}: {error}")))
                    image = replace(image, remark=remark)
            return self._examined(last, candidate, image, scanner)
        except NotAssessable as error:
            return Appraisal(verdict=decline(error.reason, error.detail), image=image, examination=None)

    def measure(self, appraisal: Appraisal) -> Appraisal:
        """The same with what the bundle that takes any image measures of it, if one is configured and it can."""
        image = appraisal.image
        examiners = (self._examiners.get(name) for name in self._settings.bundle_folders)
        fallback = next((one for one in examiners if one.bundle.manifest.fallback), None)
        if image is None or fallback is None:
            return appraisal
        try:
            return replace(appraisal, measured=fallback.examine(image).assessment)
        except NotAssessable:
            return appraisal

    def _examined(self, name: str, candidate: Candidate, image: Image, scanner: str) -> Appraisal:
        settings, examiner = self._settings, self._examiners.get(name)
        bundle = examiner.bundle
        references = load_references(settings.references_of(name), bundle) if scanner else None
        standard = choose(references, bundle.manifest, candidate.origin(scanner), settings.judgement.rule)
        examination = examiner.examine(image, standard)
        return Appraisal(verdict=examination.verdict, image=image, examination=examination)


def appraise(path: Path, settings: Settings, scanner: str = "") -> Appraisal:
    """Judge the series at ``path``, as one that came from ``scanner`` (calling AE title) if that is given.

    Raises:
        ConfigError: there is no image at the path, or it cannot be read; the scanner's references cannot be used.
        BundleError: a configured bundle cannot be used.
    """
    files = files_of(path)
    appraisal = Appraiser(settings).appraise(files, scanner)
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
        return select_image(read_nifti(files[0]), routes, scanner, suffix_of(files[0].name))
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
            "uncertainty": _number(assessment.rank.value),
            "rating": verdict.rating,
            "causes": {cause: _number(value) for cause, value in assessment.presence.items()},
            "volumes_ml": {one.name: _number(one.volume_ml) for one in assessment.structures},
            "intervals_ml": {
                one.name: [_number(end) for end in one.interval_ml] for one in assessment.structures if one.interval_ml
            },
            "measures": {name: _measure_facts(assessment.measure(name)) for name in _names(assessment)},
            **_places(assessment),
            "reference": assessment.reference,
            "seconds": appraisal.examination.seconds,
        }
    return summary | _measured(appraisal)


def _measured(appraisal: Appraisal) -> dict[str, Any]:
    """The measures of any image and its grid, by MRIQC's names; nothing where they were not asked for."""
    if appraisal.measured is None or appraisal.image is None:
        return {}
    image = appraisal.image
    sides = dict(zip(("size_x", "size_y", "size_z", "size_t"), (*image.shape, len(image.voxels)), strict=True))
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0).tolist()
    sides |= {f"spacing_{axis}": round(step, 4) for axis, step in zip("xyz", spacing, strict=True)}
    return {MEASURED: sides | {one.name: _number(one.value) for one in appraisal.measured.measures if not one.at}}


def write_maps(appraisal: Appraisal, folder: Path) -> list[Path]:
    """Write the method's maps on the input's own grid; nothing where there was no examination."""
    if appraisal.examination is None or appraisal.image is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    maps = appraisal.examination.findings.maps
    return [_save(make(), appraisal.image, folder / f"{name}.nii.gz") for name, make in maps.items()]


def _names(assessment: Assessment) -> list[str]:
    return list(dict.fromkeys(measure.name for measure in assessment.measures))


def _places(assessment: Assessment) -> dict[str, Any]:
    """The numbers of single volumes, slices ..., by signal; nothing where there are none. Tables leave them out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for measure in assessment.measures:
        if measure.at:
            found.setdefault(measure.name, []).append(_measure_facts(measure))
    return {PLACES: found} if found else {}


def _measure_facts(measure: Measure) -> dict[str, Any]:
    """A measure as plain values; with its place where it is of one."""
    numbers = {key: getattr(measure, key) for key in ("value", "limit", "p_value", "level")}
    told: dict[str, Any] = {key: _number(v) if isinstance(v, float) else v for key, v in numbers.items()}
    place = {"place": measure.place} if measure.at else {}
    return told | {"unit": measure.unit, "evidence": measure.evidence.value} | place


def _save(values: npt.NDArray[np.generic], image: Image, path: Path) -> Path:
    nib.save(nib.Nifti1Image(values, image.affine), path)
    return path


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
