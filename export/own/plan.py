"""How much of each step a user's own bundle gets: a plan that ships, or a TOML file with a table a step."""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from export.brain import ExportPlan
from training.brain.cause import CausePlan
from training.brain.locate import LocatePlan
from training.brain.own_borders import OwnBordersPlan
from training.brain.stochastic import StochasticPlan
from training.brain.student import StudentPlan
from training.brain.task import TaskPlan
from training.brain.variances import VariancesPlan
from training.evaluation.evaluate import EvaluationPlan
from training.running.pipeline import PipelineError

#: Table -> what its keys are fields of; the bank has a count alone.
_TABLES: Final[Mapping[str, type[Any] | None]] = {
    "bank": None,
    "locate": LocatePlan,
    "task": TaskPlan,
    "student": StudentPlan,
    "stochastic": StochasticPlan,
    "borders": OwnBordersPlan,
    "cause": CausePlan,
    "variances": VariancesPlan,
    "export": ExportPlan,
    "report": EvaluationPlan,
}

#: Table -> field -> value.
OwnPlan = Mapping[str, Mapping[str, Any]]


def read_plan(name: str) -> OwnPlan:
    """The plan ``full`` or ``tiny``, or that of a file.

    Raises:
        PipelineError: it cannot be read, or has a table or a key that no step has.
    """
    shipped = Path(__file__).with_name(f"brain-{name if name.isalpha() else ''}.toml")
    path = shipped if shipped.exists() else Path(name)
    try:
        plan = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise PipelineError(f"plan {name}: {error}; give full, tiny or a TOML file") from error
    for table, values in plan.items():
        _check(path.name, table, values)
    return {table: plan.get(table, {}) for table in _TABLES}


def _check(file: str, table: str, values: object) -> None:
    if table not in _TABLES or not isinstance(values, dict):
        raise PipelineError(f"{file}: no step is called {table}: {', '.join(_TABLES)}")
    kind = _TABLES[table]
    known = {"count": int} if kind is None else {f.name: f.type for f in fields(kind) if f.type in (int, float, str)}
    for key, value in values.items():
        wanted = known.get(key)
        if wanted is None:
            raise PipelineError(f"{file}: [{table}] has no {key}: {', '.join(known)}")
        right = isinstance(value, (int, float)) if wanted is float else isinstance(value, wanted)
        if not right or isinstance(value, bool):
            raise PipelineError(f"{file}: [{table}] {key} is no {wanted.__name__}")
