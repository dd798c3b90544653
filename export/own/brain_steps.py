"""The steps of a brain bundle from a user's own people, and where each leaves its things."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from export.brain import ExportPlan, export_brain
from export.own.brain_harm import tell_harm
from export.own.delivery import delivery
from export.own.plan import EXTENT, OwnPlan, Tables, fields_of
from models.bundle import read_manifest
from training.bids.finding import Scan
from training.bids.reading import check_scans
from training.brain.cause import CausePlan, train_cause, write_features
from training.brain.locate import LocatePlan, train_locator
from training.brain.own_borders import OwnBordersPlan, fit_own_borders
from training.brain.stochastic import StochasticPlan, train_stochastic
from training.brain.student import StudentPlan, train_student
from training.brain.task import TaskPlan, train_task
from training.brain.variances import VariancesPlan, train_variances
from training.evaluation.evaluate import EvaluationPlan, evaluate
from training.evaluation.figures import FiguresPlan, draw_figures
from training.harm.judging import HarmPlan
from training.running.pipeline import Step
from training.running.progress import counted, trained
from training.synthesis.anatomy import write_bank
from training.synthesis.labelmaps import load_label_maps
from training.synthesis.own_people import Parted, write_label_maps, write_people

#: Table of the plan -> what its keys are fields of; the bank has a count alone.
TABLES: Final[Tables] = {
    "bank": None,
    "locate": LocatePlan,
    "task": TaskPlan,
    "student": StudentPlan,
    "stochastic": StochasticPlan,
    "borders": OwnBordersPlan,
    "cause": CausePlan,
    "variances": VariancesPlan,
    "export": ExportPlan,
    "harm": HarmPlan,
    "report": EvaluationPlan,
}
_CHECKPOINT = "checkpoint.pt"
_NOTICE = "Images were synthesised from the label maps of the people that were given; no other data trained a weight."


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainSteps:
    """``parted``: who trains and who judges; ``sizes``: how much of each step; ``run``: where things lie.

    ``start``: a bundle that training goes on from, if any; ``out``: where the finished one goes.
    """

    parted: Parted
    sizes: OwnPlan
    run: Path
    out: Path
    start: Path | None
    version: str
    seed: int

    def all(self) -> list[Step]:
        """In their order: what is read was made before."""
        first = [self._people(), self._label_maps(), self._anatomies()]
        if self.start is None:
            first += [self._locate(), self._task(), self._cause()]
        return [
            *first,
            self._student(),
            self._stochastic(),
            self._borders(),
            self._variances(),
            self._export(),
            self._harm(),
            self._report(),
            self._deliver(),
        ]

    def _checkpoint(self, step: str) -> Path:
        """Weights of a step, or those of the bundle that training goes on from."""
        graphs = {"locate": "locator", "task": "judge", "cause": "judge"}
        if self.start is None or step not in graphs:
            return self.run / step / _CHECKPOINT
        return self.start / _file_of(self.start, graphs[step])

    def _people(self) -> Step:
        scans, folder = (*self.parted.train, *self.parted.held_out), self.run / "people"

        def write() -> None:
            check_scans(scans)
            write_people(folder / "train", self.parted.train)
            write_people(folder / "held-out", self.parted.held_out)

        return Step(
            name="people",
            run=write,
            reads=tuple(file for scan in scans for file in scan.files),
            makes=(folder,),
            settings={"train": _names(self.parted.train), "held out": _names(self.parted.held_out)},
            seconds=2.0 * len(scans),
            done=counted(folder, "*/sub-*/anat/*_T1w.nii.gz", len(scans)),
        )

    def _label_maps(self) -> Step:
        folder, scans = self.run / "label-maps", self.parted.train
        return Step(
            name="label-maps",
            run=partial(write_label_maps, folder, scans),
            reads=(self.run / "people",),
            makes=(folder,),
            seconds=4.0 * len(scans),
            done=counted(folder, "training_seg_*", len(scans)),
        )

    def _anatomies(self) -> Step:
        folder, maps, count = self.run / "bank", self.run / "label-maps", int(self.sizes["bank"].get("count", 500))
        return Step(
            name="bank",
            run=lambda: write_bank(folder, load_label_maps(maps), count, self.seed),
            reads=(maps,),
            makes=(folder,),
            extent={"count": count},
            seconds=1.6 * count,
            done=counted(folder, "*.npy", count),
        )

    def _trainer(
        self, name: str, kind: type[Any], train: Callable[[Any], object], seconds: float, **weights: Path
    ) -> Step:
        """A trainer's step; ``weights``: what it begins from; ``seconds`` of one of its steps."""
        given = {"bank": self.run / "bank", "label_maps": self.run / "label-maps"}
        plan = kind(run=self.run / name, **given, **weights, **self.sizes[name])
        return Step(
            name=name,
            run=partial(train, plan),
            reads=(*given.values(), *weights.values()),
            makes=(plan.run,),
            settings=fields_of(plan, without=EXTENT),
            extent=fields_of(plan, only=EXTENT),
            seconds=seconds * plan.steps,
            done=trained(plan.run, plan.steps),
        )

    def _locate(self) -> Step:
        return self._trainer("locate", LocatePlan, train_locator, 0.2)

    def _task(self) -> Step:
        return self._trainer("task", TaskPlan, train_task, 2.0)

    def _cause(self) -> Step:
        def describe_and_train(plan: CausePlan) -> None:
            write_features(plan)
            train_cause(plan)

        return self._trainer("cause", CausePlan, describe_and_train, 1.0)

    def _student(self) -> Step:
        return self._trainer("student", StudentPlan, train_student, 4.0, start=self._checkpoint("task"))

    def _stochastic(self) -> Step:
        return self._trainer("stochastic", StochasticPlan, train_stochastic, 1.5, start=self._checkpoint("student"))

    def _variances(self) -> Step:
        weights = {"start": self._checkpoint("student")}
        weights |= {part: self._checkpoint(name) for part, name in (("cause", "cause"), ("locator", "locate"))}
        return self._trainer("variances", VariancesPlan, train_variances, 1.0, **weights)

    def _borders(self) -> Step:
        student, locator = self._checkpoint("student"), self._checkpoint("locate")
        people = self.run / "people" / "train"
        plan = OwnBordersPlan(
            run=self.run / "borders", start=student, locator=locator, people=people, **self.sizes["borders"]
        )
        return Step(
            name="borders",
            run=partial(fit_own_borders, plan),
            reads=(student, locator, people),
            makes=(plan.run,),
            settings=fields_of(plan),
            seconds=4.0 * len(self.parted.train),
        )

    def _export(self) -> Step:
        plan = ExportPlan(
            brain=self._checkpoint("variances"),
            cause=self._checkpoint("cause"),
            stochastic=self._checkpoint("stochastic"),
            borders=self._checkpoint("borders"),
            locator=self._checkpoint("locate"),
            bank=self.run / "bank",
            label_maps=self.run / "label-maps",
            out=self.run / "bundle",
            version=self.version,
            people=self.run / "people" / "train",
            data=(f"{len(self.parted.train)} heads with their segmentations, of the site itself: all weights",),
            notice=_NOTICE,
            **self.sizes["export"],
        )
        heads = 3 * plan.references + plan.corrupted + 11 * len(self.parted.train)
        return Step(
            name="export",
            run=partial(export_brain, plan),
            reads=(
                *(plan.brain, plan.cause, plan.stochastic, plan.borders, plan.locator),
                *(plan.bank, plan.label_maps, self.run / "people"),
            ),
            makes=(plan.out,),
            settings=fields_of(plan),
            seconds=60.0 + 3.0 * heads,
        )

    def _harm(self) -> Step:
        folder, sizes = self.run / "harm", self.sizes["harm"]
        heads = int(sizes.get("heads", 0))
        images = self.run / "label-maps" if heads else self.run / "people" / "train"
        bundle = self.run / "bundle"
        plan = HarmPlan(data=images, bundle=bundle, out=folder, **sizes)
        count = min(plan.people, heads or len(self.parted.train))
        return Step(
            name="harm",
            run=partial(tell_harm, plan, bundle, self._finished),
            reads=(bundle, images),
            makes=(folder,),
            settings=fields_of(plan),
            seconds=3.0 * count * (2 + plan.styles + 22 * plan.repeats * plan.share),
        )

    @property
    def _finished(self) -> Path:
        """The bundle with all that it tells."""
        return self.run / "harm" / "bundle"

    def _report(self) -> Step:
        folder, bundle, people = self.run / "report", self._finished, self.run / "people" / "held-out"
        plan = EvaluationPlan(data=people, out=folder, bundle=bundle, **self.sizes["report"])

        def write() -> None:
            evaluate(plan)
            draw_figures(FiguresPlan(rows=folder / "rows.csv", out=folder / "figures"))

        heads = min(plan.people, len(self.parted.held_out)) * (1 + 5 * plan.repeats)
        return Step(
            name="report",
            run=write,
            reads=(bundle, people),
            makes=(folder,),
            settings=fields_of(plan),
            seconds=10.0 + 3.0 * heads,
        )

    def _deliver(self) -> Step:
        return delivery(self._finished, self.out, after=(self.run / "report",))


def _file_of(bundle: Path, graph: str) -> str:
    return read_manifest(bundle).graphs[graph].file


def _names(scans: Sequence[Scan]) -> list[str]:
    return [scan.name for scan in scans]
