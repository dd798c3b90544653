"""The steps of a bundle of white-matter lesions from a user's own people, and where each leaves its things."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from export.own.delivery import delivery
from export.own.lesion_bundle import OwnLesionExportPlan, export_own_lesions
from export.own.plan import EXTENT, OwnPlan, Tables, fields_of
from models.bundle import load_bundle
from models.methods.lesions import Lesions
from training.bids.finding import Scan
from training.lesions.own.judging import JudgePlan, judge_by_start, judge_own, judged_rows
from training.lesions.own.people import check_people
from training.lesions.own.report import Judged, report
from training.lesions.own.start import load_start
from training.lesions.own.train import TunePlan, tune
from training.lesions.own.windows import write_windows
from training.running.pipeline import Step
from training.running.progress import counted, trained

#: Table of the plan -> what its keys are fields of.
TABLES: Final[Tables] = {"network": TunePlan, "judge": JudgePlan}
_CHECKPOINT = "checkpoint.pt"
#: Seconds of a person prepared, of a training step, of a series judged.
_PREPARED_S, _STEP_S, _JUDGED_S = 3.0, 2.0, 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionSteps:
    """``scans``: of everybody; ``folds``: parts that a network each leaves out; ``sizes``: how much of each step.

    ``run``: where things lie; ``out``: where the finished bundle goes; ``start``: the bundle that is gone on from;
    ``licence``: what the manifest says of the weights.
    """

    scans: Sequence[Scan]
    folds: int
    sizes: OwnPlan
    run: Path
    out: Path
    start: Path
    version: str
    licence: str
    seed: int

    def all(self) -> list[Step]:
        """In their order: what is read was made before."""
        return [
            self._people(),
            *(self._network(fold) for fold in range(self.folds + 1)),
            self._judged("judged", judge_own),
            self._judged("judged-by-start", judge_by_start),
            self._export(),
            self._report(),
            delivery(self.run / "bundle", self.out, after=(self.run / "report",)),
        ]

    @property
    def _data(self) -> Path:
        return self.run / "people"

    @property
    def _count(self) -> int:
        return len({scan.person for scan in self.scans})

    def _people(self) -> Step:
        def write() -> None:
            check_people(self.scans)
            write_windows(self._data, self.scans, load_start(self.start))

        return Step(
            name="people",
            run=write,
            reads=(self.start, *(file for scan in self.scans for file in scan.files)),
            makes=(self._data,),
            settings={"people": [scan.person for scan in self.scans]},
            seconds=_PREPARED_S * len(self.scans),
            done=counted(self._data, "sub-*/anat/*_window.npz", len(self.scans)),
        )

    def _of(self, fold: int | str) -> Path:
        """The run that leaves a part of the people out; nobody where ``fold`` is the number of parts."""
        return self.run / ("network" if fold == self.folds else f"network-without-{fold}")

    def _network(self, fold: int) -> Step:
        plan = TunePlan(
            run=self._of(fold),
            data=self._data,
            start=self.start,
            fold=fold,
            folds=self.folds,
            **{"seed": self.seed, **self.sizes["network"]},
        )
        return Step(
            name=plan.run.name,
            run=partial(tune, plan),
            reads=(self._data, self.start),
            makes=(plan.run,),
            settings=fields_of(plan, without=EXTENT),
            extent=fields_of(plan, only=EXTENT),
            seconds=_STEP_S * plan.steps,
            done=trained(plan.run, plan.steps),
        )

    def _judged(self, name: str, judge: Callable[[JudgePlan], None]) -> Step:
        """Everybody, clean and spoilt, by the networks that left them out or by the bundle that is gone on from."""
        plan = JudgePlan(
            data=self._data,
            start=self.start,
            runs=str(self._of("{fold}")),
            folds=self.folds,
            out=self.run / name,
            **self.sizes["judge"],
        )
        return Step(
            name=name,
            run=partial(judge, plan),
            reads=(self._data, self.start, *(() if judge is judge_by_start else self._networks())),
            makes=(plan.out,),
            settings=fields_of(plan),
            seconds=_JUDGED_S * len(self.scans) * (1 + plan.draws),
            done=counted(plan.out, "judged/*.jsonl", len(self.scans)),
        )

    def _networks(self) -> Iterator[Path]:
        return (self._of(fold) for fold in range(self.folds))

    def _export(self) -> Step:
        plan = OwnLesionExportPlan(
            checkpoint=self._of(self.folds) / _CHECKPOINT,
            rows=self.run / "judged",
            data=self._data,
            start=self.start,
            out=self.run / "bundle",
            version=self.version,
            people=f"{self._count} people with masks of their lesions, of the site itself",
            licence=self.licence,
        )
        return Step(
            name="export",
            run=partial(export_own_lesions, plan),
            reads=(self._of(self.folds), plan.rows, self._data, self.start),
            makes=(plan.out,),
            settings=fields_of(plan),
            seconds=40.0,
        )

    def _report(self) -> Step:
        folder, bundle = self.run / "report", self.run / "bundle"
        own, start = self.run / "judged", self.run / "judged-by-start"

        def write() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            lines = report(
                _judged_of(bundle, own, ", your own"), _judged_of(self.start, start), self._count, self.folds
            )
            (folder / "report.md").write_text("".join(f"{line}\n" for line in lines))

        return Step(name="report", run=write, reads=(bundle, self.start, own, start), makes=(folder,), seconds=5.0)


def _judged_of(bundle: Path, rows: Path, whose: str = "") -> Judged:
    """What a bundle gave."""
    found = load_bundle(bundle)
    name = f"{found.manifest.name} {found.manifest.version}{whose}"
    return Judged(name=name, rows=judged_rows(rows), settings=Lesions(found).settings)
