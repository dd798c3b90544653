"""One volume in, one judged examination out: the same lines for the daemon, the command line and the golden test."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from daemon.core.assessment import assess
from daemon.core.errors import ConfigError, NotAssessable, Reason
from daemon.core.reference import Standard, of_manifest
from daemon.core.values import Assessment, Verdict, Volume
from daemon.core.verdict import decide
from daemon.edge.engines import MakeEngine
from models.bundle import Bundle, BundleError, load_bundle
from models.familiarity import distances, load_spaces
from models.golden import Recorder, check_outputs
from models.graphs import Engine, Graph, Run
from models.prediction import (
    JUDGE_GRAPH,
    LOCATOR_GRAPH,
    NoHeadFound,
    Prediction,
    judge_by,
    locate_by,
    predict,
    prepare,
)
from models.preprocess import coarsest_mm
from models.scores import JUDGED, NEIGHBOUR, tissue_contrast

#: More grey and white matter than any brain has (the largest have about 1700 mL): what was segmented is no brain.
MOST_TISSUE_ML = 1900.0
#: ... unless an artefact is this plain in the spectrum: the strongest spikes turn air into tissue.
PLAIN = 0.97
#: FLAIR: fluid is dark as in T1, yet grey matter nearly as bright as white. Sixteen people have 0.67 to 0.72 in T1 and
#: 0.78 to 0.92 in FLAIR; strong artefacts raise it too, but then the fluid is bright as well (docs/log.md).
DARK_FLUID, BRIGHT_GREY = 0.5, 0.76


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What one volume gave. ``seconds``: duration of each stage."""

    prediction: Prediction
    assessment: Assessment
    verdict: Verdict
    seconds: dict[str, float]


class Examiner:
    """A bundle, and what runs its graphs: by their names."""

    def __init__(self, bundle: Bundle, engines: Mapping[str, Engine]) -> None:
        self.bundle = bundle
        self.engines = engines
        self._spaces = load_spaces(bundle.file(bundle.manifest.familiarity))

    @property
    def provider(self) -> str:
        """What really runs the graph that judges."""
        return self.engines[JUDGE_GRAPH].provider

    def examine(
        self, volume: Volume, standard: Standard | None = None, graphs: Mapping[str, Run] | None = None
    ) -> Examination:
        """Judge one volume against ``standard``, or against the bundle's own reference; deterministic.

        ``graphs``: run in place of the engines.

        Raises:
            NotAssessable: the images hold no signal, another contrast, or no head.
        """
        manifest, runs = self.bundle.manifest, graphs or self.engines
        clock = _Stopwatch()
        if float(np.ptp(volume.voxels)) == 0.0:
            raise NotAssessable(Reason.FLAT)
        echo = volume.acquisition.echo_time_ms
        if echo is not None and echo > manifest.longest_echo_ms:
            raise NotAssessable(Reason.CONTRAST, f"echo time {echo:.0f} ms")
        try:
            prepared = prepare(volume.voxels, volume.affine, manifest.network, locate_by(runs))
        except NoHeadFound as error:
            raise NotAssessable(Reason.NO_HEAD) from error
        clock.lap("preprocess")
        prediction = predict(prepared, judge_by(runs))
        clock.lap("infer")
        fluid, grey = tissue_contrast(prediction, manifest.labels)
        if fluid < DARK_FLUID and grey > BRIGHT_GREY:
            raise NotAssessable(Reason.CONTRAST, f"grey matter at {grey:.2f} of white")
        standard = standard or of_manifest(manifest, coarsest_mm(volume.affine))
        assessment = assess(prediction, manifest, standard, distances(prediction, self._spaces))
        tissue = sum(assessment.volumes_ml[name] for name in (JUDGED, NEIGHBOUR))
        if tissue > MOST_TISSUE_ML and max(assessment.causes.values()) < PLAIN:
            raise NotAssessable(Reason.NO_HEAD, f"{tissue:.0f} mL of tissue")
        verdict = decide(assessment, manifest.thresholds, volume.remark)
        clock.lap("assess")
        return Examination(prediction=prediction, assessment=assessment, verdict=verdict, seconds=clock.laps)


def load_examiner(folder: Path, make: MakeEngine) -> Examiner:
    """The examiner of a bundle on disk.

    Raises:
        BundleError: the bundle is not whole, or a graph cannot be loaded.
        ConfigError: the configured engine is not the active one.
    """
    bundle = load_bundle(folder)
    return Examiner(bundle, {graph.name: make(graph) for graph in graphs_of(bundle)})


def graphs_of(bundle: Bundle) -> tuple[Graph, ...]:
    """The graphs of a bundle, by the names that its method calls them."""
    manifest = bundle.manifest
    files = {LOCATOR_GRAPH: manifest.locator, JUDGE_GRAPH: manifest.judge}
    return tuple(
        Graph(bundle=manifest.name, digest=bundle.digest, name=name, file=bundle.file(file))
        for name, file in files.items()
    )


class Examiners:
    """The examiner of each configured bundle, loaded when it is first needed.

    ``folders``: bundle name -> its folder; ``proven``: each must pass its golden test before it judges anything.
    """

    def __init__(self, folders: Mapping[str, Path], make: MakeEngine, *, proven: bool = True) -> None:
        self._folders = folders
        self._make = make
        self._proven = proven
        self._loaded: dict[str, Examiner] = {}

    def prepare(self, name: str) -> None:
        """Load one bundle, and check the files of all others, which are loaded when a series first needs them.

        Raises:
            BundleError: one is not whole, or the loaded one gets other numbers than its maker on this machine.
            ConfigError: the configured engine is not the active one.
        """
        for other, folder in self._folders.items():
            if other != name:
                load_bundle(folder)
        self.get(name)

    def get(self, name: str) -> Examiner:
        """The examiner of a bundle.

        Raises:
            BundleError: the bundle is not whole, or gets other numbers than its maker on this machine.
            ConfigError: the configured engine is not the active one.
        """
        if name not in self._loaded:
            examiner = load_examiner(self._folders[name], self._make)
            if self._proven:
                check_golden(examiner)
            self._loaded[name] = examiner
        return self._loaded[name]


def check_golden(examiner: Examiner) -> None:
    """Examine the series that ships with the bundle, and compare every output and number with what its maker got.

    Raises:
        BundleError: this machine gets other numbers, or the bundle is not for the precision of its engines.
    """
    bundle, engines = examiner.bundle, examiner.engines
    golden = bundle.manifest.golden
    tolerance = max(golden.tolerance_of(engine.precision).numbers for engine in engines.values())
    recorders = {name: Recorder(engine) for name, engine in engines.items()}
    assessment = examiner.examine(read_nifti(bundle.file(golden.series)), graphs=recorders).assessment
    check_outputs(bundle, engines, recorders)
    found = {name: measure.value for name, measure in assessment.measures.items()} | dict(assessment.volumes_ml)
    for name, expected in golden.expected.items():
        if not math.isclose(found[name], expected, rel_tol=tolerance, abs_tol=1e-4):
            raise BundleError(
                f"the golden test failed on this machine: {name} is {found[name]:.4g}, its maker got {expected:.4g}; "
                f"configure another engine or export the bundle here"
            )


def read_nifti(path: Path) -> Volume:
    """The volume of a NIfTI file.

    Raises:
        ConfigError: the file cannot be read.
        NotAssessable: it does not hold one volume.
    """
    try:
        image = nib.Nifti1Image.from_filename(path)
        voxels = np.squeeze(np.asarray(image.dataobj, np.float32))
    except (ImageFileError, OSError, EOFError, ValueError) as error:
        raise ConfigError(f"{path} is not a readable NIfTI file: check that it is whole") from error
    if voxels.ndim == _SPATIAL + 1:
        raise NotAssessable(Reason.SEVERAL, f"{voxels.shape[-1]} volumes in time")
    if voxels.ndim != _SPATIAL:
        raise NotAssessable(Reason.UNSUPPORTED, f"{voxels.ndim} dimensions")
    return Volume(voxels=np.nan_to_num(voxels), affine=np.asarray(image.affine, float))


_SPATIAL = 3


class _Stopwatch:
    """Durations between laps."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._last = now()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Name the time since the last lap."""
        now = self._now()
        self.laps[name] = round(now - self._last, 4)
        self._last = now
