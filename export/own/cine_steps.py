"""The steps of a bundle of short-axis hearts from a user's own people, and where each leaves its things."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from export.cine import CineExportPlan, export_cine
from export.own.delivery import delivery
from export.own.plan import EXTENT, OwnPlan, Tables, fields_of
from training.cine.evaluate import CineEvaluationPlan, evaluate_cine
from training.cine.mask_autoencoder import MaskPlan, train_masks
from training.cine.people import Heart, check_hearts, write_hearts
from training.cine.stochastic import CineStochasticPlan, train_cine_stochastic
from training.cine.train import CinePlan, train_cine
from training.running.pipeline import Step
from training.running.progress import counted, trained

#: Table of the plan -> what its keys are fields of.
TABLES: Final[Tables] = {
    "labels": CinePlan,
    "covariance": CineStochasticPlan,
    "masks": MaskPlan,
    "export": CineExportPlan,
    "report": CineEvaluationPlan,
}
_CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class CineSteps:
    """``hearts``: of everybody; ``folds``: parts that a network each leaves out; ``sizes``: how much of each step.

    ``run``: where things lie; ``out``: where the finished bundle goes; ``golden``: the cine that it is checked with;
    ``licence``: what the manifest says of the weights.
    """

    hearts: Sequence[Heart]
    folds: int
    sizes: OwnPlan
    run: Path
    out: Path
    golden: Path
    version: str
    licence: str
    seed: int

    def all(self) -> list[Step]:
        """In their order: what is read was made before."""
        return [
            self._people(),
            *(step for fold in range(self.folds + 1) for step in self._networks(fold)),
            self._export(),
            self._report(),
            delivery(self.run / "bundle", self.out, after=(self.run / "report",)),
        ]

    @property
    def _data(self) -> Path:
        return self.run / "people"

    def _people(self) -> Step:
        def write() -> None:
            check_hearts(self.hearts)
            write_hearts(self._data, self.hearts)

        return Step(
            name="people",
            run=write,
            reads=tuple(file for heart in self.hearts for file in heart.files),
            makes=(self._data,),
            settings={"people": [heart.person for heart in self.hearts]},
            seconds=0.5 * len(self.hearts),
            done=counted(self._data, "sub-*/*_dseg.nii.gz", 2 * len(self.hearts)),
        )

    def _networks(self, fold: int) -> Iterator[Step]:
        """Those that leave a part of the people out; none where ``fold`` is the number of parts."""
        labels = self._of("labels", fold) / _CHECKPOINT
        yield self._trainer("labels", fold, CinePlan, train_cine, 0.5)
        yield self._trainer("covariance", fold, CineStochasticPlan, train_cine_stochastic, 0.3, start=labels)
        yield self._trainer("masks", fold, MaskPlan, train_masks, 0.2)

    def _of(self, part: str, fold: int | str) -> Path:
        return self.run / (part if fold == self.folds else f"{part}-without-{fold}")

    def _trainer(
        self, part: str, fold: int, kind: type[Any], train: Callable[[Any], object], seconds: float, **weights: Path
    ) -> Step:
        """A trainer's step; ``weights``: what it begins from; ``seconds`` of one of its steps."""
        run, given = self._of(part, fold), {"fold": fold, "folds": self.folds, "seed": self.seed}
        plan = kind(run=run, data=self._data, **weights, **{**given, **self.sizes[part]})
        return Step(
            name=run.name,
            run=partial(train, plan),
            reads=(self._data, *weights.values()),
            makes=(run,),
            settings=fields_of(plan, without=EXTENT),
            extent=fields_of(plan, only=EXTENT),
            seconds=seconds * plan.steps,
            done=trained(run, plan.steps),
        )

    def _export(self) -> Step:
        plan = CineExportPlan(
            checkpoint=self._of("covariance", self.folds) / _CHECKPOINT,
            masks=self._of("masks", self.folds) / _CHECKPOINT,
            runs=str(self._of("covariance", "{fold}")),
            mask_runs=str(self._of("masks", "{fold}")),
            data=self._data,
            golden=self.golden,
            out=self.run / "bundle",
            version=self.version,
            folds=self.folds,
            people=f"{len(self.hearts)} hearts with their labels, of the site itself",
            licence=self.licence,
            **self.sizes["export"],
        )
        return Step(
            name="export",
            run=partial(export_cine, plan),
            reads=(self._data, plan.golden, *self._trained()),
            makes=(plan.out,),
            settings=fields_of(plan),
            seconds=60.0 + 10.0 * len(self.hearts),
        )

    def _report(self) -> Step:
        """Everybody judged by the network that left them out."""
        folder = self.run / "report"
        plan = CineEvaluationPlan(
            data=self._data,
            runs=str(self._of("covariance", "{fold}")),
            masks=str(self._of("masks", "{fold}")),
            folds=self.folds,
            figures=folder / "figures",
            **self.sizes["report"],
        )

        def write() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "report.md").open("w") as file, redirect_stdout(file):
                evaluate_cine(plan)

        return Step(
            name="report",
            run=write,
            reads=(self._data, self.run / "bundle"),
            makes=(folder,),
            settings=fields_of(plan),
            seconds=60.0 + 10.0 * len(self.hearts),
        )

    def _trained(self) -> Iterator[Path]:
        for part in ("covariance", "masks"):
            for fold in range(self.folds + 1):
                yield self._of(part, fold)
