"""How much of each step a user's own bundle gets: a plan that ships, or a TOML file with a table a step."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from training.running.pipeline import PipelineError

#: Table -> what its keys are fields of; None: of a count alone.
Tables = Mapping[str, type[Any] | None]
#: What a trainer's plan says of how far it goes; everything else decides what is trained.
EXTENT = ("steps", "images", "heads", "report_every", "save_every", "workers", "processes", "devices")
#: Fields that the command itself fills, numbers and texts.
_OF_THE_COMMAND: Final[Mapping[Any, frozenset[str]]] = {
    int: frozenset({"fold", "folds"}),
    str: frozenset({"version", "licence", "people", "runs", "masks", "mask_runs"}),
}
#: Table -> field -> value.
OwnPlan = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBundlePlan:
    """``bids``: the people; ``out``: the bundle. ``plan``: how much of each step, as ``read_plan`` takes it.

    ``run``: where the steps leave their things; ``leave_out``: people, by commas.
    """

    bids: Path
    out: Path
    plan: str = "full"
    run: Path | None = None
    leave_out: str = ""
    version: str = "1.0.0"
    seed: int = 0

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.run or self.out.with_name(f"{self.out.name}.run")


def read_plan(name: str, bundle: str, tables: Tables) -> OwnPlan:
    """The plan ``full`` or ``tiny`` of a kind of ``bundle``, or that of a file.

    Raises:
        PipelineError: it cannot be read, or has a table or a key that no step has.
    """
    shipped = Path(__file__).with_name(f"{bundle}-{name if name.isalpha() else ''}.toml")
    path = shipped if shipped.exists() else Path(name)
    try:
        plan = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise PipelineError(f"plan {name}: {error}; give full, tiny or a TOML file") from error
    for table, values in plan.items():
        _check(path.name, table, values, tables)
    return {table: plan.get(table, {}) for table in tables}


def _check(file: str, table: str, values: object, tables: Tables) -> None:
    if table not in tables or not isinstance(values, dict):
        raise PipelineError(f"{file}: no step is called {table}: {', '.join(tables)}")
    known = _settable(tables[table])
    for key, value in values.items():
        if key not in known:
            raise PipelineError(f"{file}: [{table}] has no {key}: {', '.join(known)}")
        if wrong := _unlike(value, known[key]):
            raise PipelineError(f"{file}: [{table}] {key} is {wrong}")


def _settable(kind: type[Any] | None) -> dict[str, Any]:
    """The fields of a step's plan that a file may set: numbers, texts, and a choice of texts (``Literal``)."""
    if kind is None:
        return {"count": int}
    typed = {f.name: f.type for f in fields(kind) if f.type in (int, float, str) or get_origin(f.type) is Literal}
    return {name: kind for name, kind in typed.items() if name not in _OF_THE_COMMAND.get(kind, ())}


def _unlike(value: object, wanted: Any) -> str:  # noqa: ANN401 - any type of a field
    """What is wrong with a field's ``value``; empty if nothing is."""
    if choices := get_args(wanted):
        return "" if value in choices else f"none of {', '.join(choices)}"
    right = isinstance(value, (int, float)) if wanted is float else isinstance(value, wanted)
    return "" if right and not isinstance(value, bool) else f"no {wanted.__name__}"


def people_of(names: str) -> frozenset[str]:
    """The people (sub-XX) that are named by commas."""
    return frozenset(f"sub-{who.removeprefix('sub-')}" for who in names.split(",") if who)


def fields_of(plan: Any, *, only: Sequence[str] = (), without: Sequence[str] = ()) -> dict[str, str]:  # noqa: ANN401 - any plan
    """The fields of a step's plan but for paths, which are what the step reads."""
    return {
        f.name: str(value)
        for f in fields(plan)
        if not isinstance(value := getattr(plan, f.name), Path) and (f.name in only if only else f.name not in without)
    }
