"""The table of judged images as arrays: the numbers that a regression reads, the harm, what is compared with both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.brain.scores import JUDGED
from models.statistics.harm import CLEAN
from training.harm.rows import DICE, FACT, HARM, RIVAL, read_rows

Numbers = npt.NDArray[np.float64]

_META = ("head", "person", "style", "artefact", "family", "severity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The images of a table: ``numbers`` (N, F) by ``names``, ``harm`` and ``dice`` (N,) of one tissue.

    ``lost`` (N,): what the true Dice lost against the same person clean in the same style; NaN without drawn labels.
    ``beside``: what is only compared, by name.
    """

    names: tuple[str, ...]
    numbers: Numbers
    harm: Numbers
    dice: Numbers
    lost: Numbers
    beside: Mapping[str, Numbers]
    person: npt.NDArray[np.str_]
    artefact: npt.NDArray[np.str_]
    family: npt.NDArray[np.str_]
    style: npt.NDArray[np.str_]

    @classmethod
    def read(cls, table: Path, tissue: str = JUDGED) -> "Images":
        """Of one tissue."""
        rows = read_rows(table)
        names = tuple(n for n in rows[0] if n not in _META and not n.startswith((HARM, DICE, RIVAL, FACT)))
        other = tuple(n for n in rows[0] if n.startswith((RIVAL, FACT)))
        harm, dice = (_column(rows, f"{kind}{tissue}") for kind in (HARM, DICE))
        clean = {(r["head"], r["style"]): d for r, d in zip(rows, dice, strict=True) if r["family"] == CLEAN}
        family = [CLEAN if row["family"] == CLEAN else f"{row['artefact']} {row['family']}" for row in rows]
        person, artefact, style = (np.array([row[name] for row in rows]) for name in ("person", "artefact", "style"))
        return cls(
            names=names,
            numbers=np.nan_to_num(np.stack([_column(rows, name) for name in names], axis=1)),
            harm=harm,
            dice=dice,
            lost=np.array([clean.get((r["head"], r["style"]), np.nan) for r in rows]) - dice,
            beside={name: _column(rows, name) for name in other},
            person=person,
            artefact=artefact,
            family=np.array(family),
            style=style,
        )

    def of(self, chosen: npt.NDArray[np.bool_]) -> "Images":
        """Some of the images, (N,) true."""
        columns = ("numbers", "harm", "dice", "lost", "person", "artefact", "family", "style")
        beside = {name: values[chosen] for name, values in self.beside.items()}
        return replace(self, beside=beside, **{name: getattr(self, name)[chosen] for name in columns})

    def named(self, names: Sequence[str]) -> "Images":
        """With these numbers of each image alone."""
        columns = [self.names.index(name) for name in names]
        return replace(self, names=tuple(names), numbers=self.numbers[:, columns], beside={})

    def row(self, number: int) -> dict[str, float]:
        """Every number and every fact of one image."""
        facts = {name.removeprefix(FACT): values[number] for name, values in self.beside.items()}
        return {**facts, **dict(zip(self.names, self.numbers[number].tolist(), strict=True))}

    def column(self, name: str) -> Numbers:
        """One number of every image."""
        return self.beside[name] if name in self.beside else np.asarray(self.numbers[:, self.names.index(name)])


def joined(tables: Sequence[Images]) -> Images:
    """The images of several tables as one."""
    return Images(
        names=tables[0].names,
        numbers=np.concatenate([table.numbers for table in tables]),
        harm=np.concatenate([table.harm for table in tables]),
        dice=np.concatenate([table.dice for table in tables]),
        lost=np.concatenate([table.lost for table in tables]),
        beside={name: np.concatenate([table.beside[name] for table in tables]) for name in tables[0].beside},
        person=np.concatenate([table.person for table in tables]),
        artefact=np.concatenate([table.artefact for table in tables]),
        family=np.concatenate([table.family for table in tables]),
        style=np.concatenate([table.style for table in tables]),
    )


def _column(rows: list[dict[str, str]], name: str) -> Numbers:
    return np.array([float(row[name]) for row in rows])
