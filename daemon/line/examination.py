"""One image in, one judged examination out: the same lines for the daemon, the command line and the golden test."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from daemon.core.errors import ConfigError, NotAssessable, Reason
from daemon.core.judging.assessment import assess
from daemon.core.judging.own_past import OwnPast
from daemon.core.judging.reference import Standard, of_manifest
from daemon.core.judging.site_harm import told_by
from daemon.core.judging.verdict import decide
from daemon.core.measures import Assessment
from daemon.core.values import Verdict
from daemon.edge.engines import MakeEngine
from daemon.edge.files.nifti import read_nifti
from models.bundle import Bundle, BundleError, load_bundle
from models.engines.interface import F32
from models.findings import Findings, NotThis
from models.golden import Recorder, check_outputs
from models.graphs import Engine, Graph, Run
from models.manifest import Manifest
from models.methods.registry import method_of
from models.preprocess import coarsest_mm
from models.subject import Image, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What one image gave. ``seconds``: duration of each stage."""

    findings: Findings
    assessment: Assessment
    verdict: Verdict
    seconds: dict[str, float]


class Examiner:
    """A bundle, its method, and what runs its graphs: by their names.

    Raises:
        BundleError: this software does not know the method, or the bundle is not made for it.
    """

    def __init__(self, bundle: Bundle, engines: Mapping[str, Engine]) -> None:
        self.bundle = bundle
        self.method = method_of(bundle)
        self.engines = engines

    @property
    def provider(self) -> str:
        """What really runs the graphs; without a graph, the software itself."""
        return ", ".join(dict.fromkeys(engine.provider for engine in self.engines.values())) or "numpy"

    def examine(
        self,
        image: Image,
        standard: Standard | OwnPast | None = None,
        graphs: Mapping[str, Run] | None = None,
        beside: Mapping[str, Sequence[Image]] | None = None,
    ) -> Examination:
        """Judge one image against ``standard``, or against the bundle's own reference; deterministic.

        ``graphs``: run in place of the engines; ``beside``: role -> the images of the series that join this one, which
        plays the leading role.

        Raises:
            NotAssessable: the method cannot judge it.
        """
        manifest, began = self.bundle.manifest, time.perf_counter()
        subject = _subject(manifest, image, beside or {})
        try:
            findings = self.method.examine(subject, graphs or self.engines)
        except NotThis as error:
            raise NotAssessable(Reason[error.lack.name], error.detail) from error
        if isinstance(standard, Standard):
            findings = replace(findings, loss=told_by(standard.harm, findings))
        assessment = assess(findings, manifest, standard or of_manifest(manifest, coarsest_mm(image.affine)))
        verdict = decide(assessment, manifest, "; ".join(filter(None, (image.remark, *findings.remarks))))
        seconds = {stage: round(value, 4) for stage, value in findings.seconds.items()}
        seconds["assess"] = round(time.perf_counter() - began - sum(seconds.values()), 4)
        return Examination(findings=findings, assessment=assessment, verdict=verdict, seconds=seconds)


def _subject(manifest: Manifest, image: Image, beside: Mapping[str, Sequence[Image]]) -> Subject:
    every = {role for role, entry in manifest.inputs.items() if entry.every}
    images = {role: images[-1] for role, images in beside.items() if images and role not in every}
    further = {role: tuple(images) for role, images in beside.items() if images and role in every}
    return Subject(images={manifest.lead: image, **images}, further=further)


def load_examiner(folder: Path, make: MakeEngine) -> Examiner:
    """The examiner of a bundle on disk.

    Raises:
        BundleError: the bundle is not whole, not for this software, or a graph is not what it declares.
        ConfigError: the configured engine is not the active one.
    """
    bundle = load_bundle(folder)
    return Examiner(bundle, {graph.name: make(graph) for graph in graphs_of(bundle)})


def graphs_of(bundle: Bundle) -> tuple[Graph, ...]:
    """The graphs of a bundle, by the names that its method calls them."""
    manifest = bundle.manifest
    return tuple(
        Graph(
            bundle=manifest.name,
            digest=bundle.digest,
            name=name,
            file=bundle.file(graph.file),
            inputs=graph.inputs,
            outputs=graph.outputs,
        )
        for name, graph in manifest.graphs.items()
    )


class Examiners:
    """The examiner of each configured bundle; each must pass its golden test before it judges anything.

    ``folders``: bundle name -> its folder.
    """

    def __init__(self, folders: Mapping[str, Path], make: MakeEngine) -> None:
        self._folders = folders
        self._make = make
        self._loaded: dict[str, Examiner] = {}

    def prepare(self) -> tuple[Examiner, ...]:
        """Load all bundles, before the first series rather than with it.

        Raises:
            BundleError: one cannot be used, or gets other numbers than its maker on this machine.
            ConfigError: the configured engine is not the active one.
        """
        return tuple(self.get(name) for name in self._folders)

    def get(self, name: str) -> Examiner:
        """The examiner of a bundle.

        Raises:
            BundleError: the bundle cannot be used, or gets other numbers than its maker on this machine.
            ConfigError: the configured engine is not the active one.
        """
        if name not in self._loaded:
            examiner = load_examiner(self._folders[name], self._make)
            check_golden(examiner)
            self._loaded[name] = examiner
        return self._loaded[name]


def check_golden(examiner: Examiner) -> None:
    """Examine the series that ships with the bundle, and compare every output and number with what its maker got.

    Raises:
        BundleError: this machine gets other numbers, or the bundle is not for the precision of its engines.
    """
    bundle, engines = examiner.bundle, examiner.engines
    name, golden = bundle.manifest.name, bundle.manifest.golden
    precisions = {engine.precision for engine in engines.values()} or {F32}
    tolerance = max(golden.tolerance_of(precision).numbers for precision in precisions)
    recorders = {graph: Recorder(engine) for graph, engine in engines.items()}
    try:
        images = {role: read_nifti(bundle.file(file)) for role, file in golden.images.items()}
        lead = images.pop(bundle.manifest.lead)
        beside = {role: (image,) for role, image in images.items()}
        assessment = examiner.examine(lead, graphs=recorders, beside=beside).assessment
    except (NotAssessable, ConfigError) as error:
        raise BundleError(f"the golden test of {name} failed: {error}: export the bundle again") from error
    if engines:
        check_outputs(bundle, engines, recorders)
    found = {name: assessment.measure(name).value for name in {measure.name for measure in assessment.measures}}
    found |= {structure.name: structure.volume_ml for structure in assessment.structures}
    for number, expected in golden.expected.items():
        if not math.isclose(found.get(number, math.nan), expected, rel_tol=tolerance, abs_tol=1e-4):
            raise BundleError(
                f"the golden test failed on this machine: {number} of {name} is {found.get(number, math.nan):.4g}, its "
                f"maker got {expected:.4g}; configure another engine or export the bundle here"
            )
