"""Who judges in an evaluation: bundles with their graphs, and one person's session before them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from daemon.core.judging.assessment import assess
from daemon.core.judging.reference import of_manifest
from daemon.core.judging.verdict import decide
from daemon.core.values import State
from models.brain.prediction import NoHeadFound, Prediction
from models.brain.refinement import probabilities_on
from models.brain.scores import JUDGED
from models.bundle import Bundle, load_bundle
from models.findings import Evidence, NotThis
from models.methods.brain import Brain
from models.preprocess import Grid, coarsest_mm
from models.quality.iqm import measure as measure_image
from models.subject import still
from training.brain.networks import bundle_networks
from training.evaluation.measure import compare, unfound
from training.harm.evaluated import OWN, Answer, BrainEvaluationPlan, Case, Evaluated, Person
from training.harm.judging import MRIQC, Judge, Judged, judge_by
from training.harm.spoilt_images import CLEAN
from training.synthesis.labelmaps import TISSUES
from training.truth import Truth, dice


@dataclass(frozen=True, slots=True)
class Panel:
    """The bundles that judge, by name and version; those of the same graphs share one run of them."""

    bundles: Mapping[str, Bundle]
    judges: Mapping[str, Judge]

    @classmethod
    def load(cls, plan: BrainEvaluationPlan) -> "Panel":
        """The plan's bundles."""
        folders = [folder for folder in (plan.beside, plan.bundle) if folder is not None]
        bundles = {f"{one.manifest.name} {one.manifest.version}": one for one in map(load_bundle, folders)}
        alike = {_graphs(bundle): bundle for bundle in bundles.values()}
        judges = {name: judge_by(bundle_networks(bundle.folder, plan.threads)) for name, bundle in alike.items()}
        return cls(bundles, judges)

    def judge(self, bundle: Bundle) -> Judge:
        """Who runs its graphs."""
        return self.judges[_graphs(bundle)]


def _graphs(bundle: Bundle) -> str:
    """The digests of a bundle's graphs."""
    return " ".join(bundle.manifest.files[graph.file] for graph in bundle.manifest.graphs.values())


class Session:
    """Judges the images of one person, the clean one once."""

    def __init__(self, panel: Panel, person: Person) -> None:
        self._panel, self._person = panel, person
        self._clean: dict[str, Judged] = {}

    def evaluate(self, case: Case) -> Evaluated:
        """One image by every bundle; its row, harm and rivals by the last one's networks."""
        truth = case.make()
        judged: dict[str, Judged | None] = {name: self._judged(case, truth, name) for name in self._panel.judges}
        bundles = self._panel.bundles
        answers = {name: _answer(bundle, judged[_graphs(bundle)], truth) for name, bundle in bundles.items()}
        last = [*bundles.values()][-1]
        found, origin = judged[_graphs(last)], self._origin(_graphs(last))
        labelled = bool(truth.labels.any())
        margins = Brain(last).settings.interval_margins
        return Evaluated(
            key=case.key,
            head=case.head,
            person=self._person.truth.name,
            artefact=case.artefact,
            simulator=case.simulator,
            labelled=labelled,
            row=unfound(truth) if found is None else compare(found.prediction, truth, margins),
            harm=float("nan") if found is None or origin is None else self._harm(found.prediction, origin.prediction),
            rivals=_rivals(truth, found),
            answers=answers,
        )

    def _judged(self, case: Case, truth: Truth, graphs: str) -> Judged | None:
        if case.artefact == CLEAN and case.simulator == OWN:
            return self._origin(graphs)
        return _judge(self._panel.judges[graphs], truth)

    def _origin(self, graphs: str) -> Judged | None:
        if graphs not in self._clean:
            found = _judge(self._panel.judges[graphs], self._person.truth)
            if found is None:
                return None
            self._clean[graphs] = found
        return self._clean[graphs]

    def _harm(self, judged: Prediction, origin: Prediction) -> float:
        truth = self._person.truth
        grid, tissue = Grid(truth.voxels.shape, truth.affine), TISSUES.index(JUDGED)
        called, before = (probabilities_on(grid, one).argmax(axis=0) == tissue for one in (judged, origin))
        return 1 - dice(called, before)


def _judge(judge: Judge, truth: Truth) -> Judged | None:
    try:
        return judge(truth)
    except NoHeadFound:
        return None


def _answer(bundle: Bundle, judged: Judged | None, truth: Truth) -> Answer:
    """The verdict as the daemon gives it, by the bundle's own reference."""
    if judged is None:
        return Answer(state=State.NOT_ASSESSED, cause="", presence={}, reasons=("no head",))
    manifest = bundle.manifest
    try:
        findings = Brain(bundle).findings_of(judged.prediction, still(truth.voxels, truth.affine))
    except NotThis as error:
        return Answer(state=State.NOT_ASSESSED, cause="", presence={}, reasons=(str(error),))
    assessment = assess(findings, manifest, of_manifest(manifest, coarsest_mm(truth.affine)))
    verdict, loss = decide(assessment, manifest), findings.loss
    return Answer(
        state=verdict.state,
        cause=verdict.cause or "",
        presence=dict(findings.presence),
        unfamiliar=any(one.abnormal and one.evidence is Evidence.FAMILIARITY for one in assessment.measures),
        reasons=verdict.reasons,
        **({} if loss is None else {"expected": loss.expected, "low": loss.interval[0], "high": loss.interval[1]}),
    )


def _rivals(truth: Truth, judged: Judged | None) -> dict[str, float]:
    measured = measure_image(np.asarray(truth.voxels, np.float32))
    rivals = {name: measured.get(name, float("nan")) for name in MRIQC}
    return rivals if judged is None else {**rivals, "pairwise dice": judged.agreement}
