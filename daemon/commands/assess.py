"""scanside assess: the daemon's judgement of one series on disk, without a daemon.

A DICOM folder or file goes through the daemon's own reader; a NIfTI file brings its image along.
"""

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from daemon.commands.finding import NIFTI
from daemon.config import Settings, load_settings
from daemon.core.bids import suffix_of
from daemon.core.errors import ConfigError, NotAssessable, Reason
from daemon.core.judging.own_past import OwnPast
from daemon.core.judging.reference import Origin, Standard, choose
from daemon.core.judging.site_harm import SiteHarm, with_harm_of
from daemon.core.judging.verdict import decline
from daemon.core.measures import Assessment, Measure
from daemon.dicom.reading.volumes import Object
from daemon.edge.engines import engine_maker
from daemon.edge.files.content import FileContent
from daemon.edge.files.learnt import harm_file, load_learnt
from daemon.edge.files.nifti import read_nifti
from daemon.edge.files.references import load_references
from daemon.edge.files.tables import MEASURED, PLACES
from daemon.line.appraisal import Appraisal, Appraiser, Companion, Company, FindCompany, Judge, software
from daemon.line.examination import Examiners
from daemon.line.selection import check_size
from daemon.routes import all_roles, all_routes
from models.subject import Image


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("path", type=Path, help="DICOM folder, DICOM file or NIfTI file of one series")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    parser.add_argument("--maps", type=Path, help="folder for labels and variances on the input's own grid")
    parser.add_argument("--scanner", default="", help="calling AE title: judge as if it had come from there")
    parser.add_argument(
        "--beside",
        type=_role_and_path,
        action="append",
        default=[],
        metavar="ROLE=PATH",
        help="a series of the same study that joins it, by the role that its bundle names",
    )


def _role_and_path(text: str) -> tuple[str, Path]:
    role, separator, path = text.partition("=")
    if not (role and separator and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not ROLE=PATH")
    return role, Path(path)


def run(options: argparse.Namespace) -> int:
    """Judge, write the maps that are asked for, and print the answer."""
    appraisal = appraise(options.path, load_settings(options.config), options.scanner, dict(options.beside))
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


class FileAppraiser:
    """Judges series on disk with the configured bundles, all of which have passed their golden tests.

    Raises:
        BundleError: a bundle cannot be used, or gets other numbers than its maker on this machine.
        ConfigError: the configured engine is not the active one.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._examiners = Examiners(settings.bundle_folders, engine_maker(settings.engine, settings.compiled))
        self._examiners.prepare()
        roles = all_roles(settings)
        self._roles = {role.name for role in roles}
        self._appraiser = Appraiser(self._judge, software(settings.digest), all_routes(settings), roles)

    def appraise(
        self, files: Sequence[Path], scanner: str = "", company: FindCompany = lambda _: Company()
    ) -> Appraisal:
        """Judge one series, as one that came from ``scanner`` (calling AE title) if that is given.

        ``company``: who joins it.

        Raises:
            ConfigError: it cannot be read at all; the scanner's references cannot be used.
            OSError: a file cannot be read now.
        """
        try:
            check_size([file.stat().st_size for file in files])
            if _is_nifti(files):
                image, suffix = read_nifti(files[0]), suffix_of(files[0].name)
                appraisal = self._appraiser.appraise_image(image, scanner, suffix, company)
            else:
                appraisal = self._appraiser.appraise(map(FileContent, files), scanner, company=company)
        except NotAssessable as error:
            return replace(self._appraiser.give_up(), verdict=decline(error.reason, error.detail))
        if appraisal.lost is not None:  # one of the files cannot be read now
            raise appraisal.lost.__cause__ or appraisal.lost
        return appraisal

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

    def beside(self, beside: Mapping[str, Sequence[Path]]) -> FindCompany:
        """Whoever judges a series, those that are given join it; ``beside``: role -> files.

        Raises:
            ConfigError: no bundle has the role.
        """
        if unknown := sorted(set(beside) - self._roles):
            known = ", ".join(sorted(self._roles)) or "none"
            raise ConfigError(f"no bundle has a role {', '.join(unknown)}: those of the configured bundles are {known}")
        companions = [Companion(role=role, read=partial(_objects, files)) for role, files in beside.items()]
        return lambda _: Company(companions=companions)

    def _judge(self, name: str) -> Judge:
        settings, examiner = self._settings, self._examiners.get(name)
        bundle = examiner.bundle

        def standard(origin: Origin) -> Standard | OwnPast:
            references = load_references(settings.references_of(name), bundle) if origin.scanner else None
            chosen = choose(references, bundle.manifest, origin, settings.judgement.rule)
            site = load_learnt(harm_file(settings.storage, name), SiteHarm, bundle) if origin.scanner else None
            return with_harm_of(site, chosen, origin)

        algorithm = replace(software(settings.digest), bundle=bundle.manifest.name, bundle_digest=bundle.digest)
        return Judge(examiner=examiner, algorithm=algorithm, choose_standard=standard)


def appraise(path: Path, settings: Settings, scanner: str = "", beside: Mapping[str, Path] | None = None) -> Appraisal:
    """Judge the series at ``path``, as one that came from ``scanner`` (calling AE title) if that is given.

    ``beside``: role -> where the series lies that joins it.

    Raises:
        ConfigError: there is no image at the path, or it cannot be read; the scanner's references cannot be used.
        BundleError: a configured bundle cannot be used.
    """
    files = files_of(path)
    joining = {role: files_of(one) for role, one in (beside or {}).items()}
    appraiser = FileAppraiser(settings)
    appraisal = appraiser.appraise(files, scanner, appraiser.beside(joining))
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


def _is_nifti(files: Sequence[Path]) -> bool:
    return len(files) == 1 and files[0].name.endswith(NIFTI)


def _objects(files: Sequence[Path]) -> Iterator[Object]:
    """The objects of a series that joins another.

    Raises:
        ConfigError: it is a NIfTI file, whose header does not say what it is.
    """
    if _is_nifti(files):
        raise ConfigError(f"{files[0].name} has no DICOM header: give the DICOM folder of the series that joins")
    yield from map(FileContent, files)


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
    return summary | _joined(appraisal) | _measured(appraisal)


def _joined(appraisal: Appraisal) -> dict[str, Any]:
    """The UIDs of the series that were used beside it, by role; nothing where there were none that are known."""
    found: dict[str, list[str]] = {}
    for member in filter(None, (companion.member for companion in appraisal.joined)):
        found.setdefault(member.role, []).append(member.series_instance_uid)
    return {"joined": found} if found else {}


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
