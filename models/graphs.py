"""A bundle's graphs: what one takes and gives, and how it is run, whatever runs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Outputs by name for inputs by name; deterministic: the same inputs give the same outputs.
Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One input or output. ``dtype``: numpy's name of it; ``dims``: the length of each axis, None where it is free."""

    name: str
    dtype: str
    dims: tuple[int | None, ...]

    @property
    def fixed(self) -> bool:
        """Whether it has one shape only."""
        return None not in self.dims

    def allows(self, other: "Tensor") -> bool:
        """Whether every array that fits ``other`` fits here: the same name and type, no axis more strict."""
        return (
            (self.name, np.dtype(self.dtype), len(self.dims)) == (other.name, np.dtype(other.dtype), len(other.dims))
        ) and all(ours is None or ours == theirs for ours, theirs in zip(self.dims, other.dims, strict=True))

    def __str__(self) -> str:
        sides = ", ".join("any" if side is None else str(side) for side in self.dims)
        return f"{self.name} {self.dtype} ({sides})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One network of a bundle.

    ``bundle`` and ``digest``: the bundle's name and the SHA-256 of its manifest, which covers ``file``; ``name``: what
    the method calls the graph; ``inputs`` and ``outputs``: as the manifest declares them, empty where it does not.
    """

    bundle: str
    digest: str
    name: str
    file: Path
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()


class Engine(Protocol):
    """A graph that is loaded, and runs."""

    @property
    def provider(self) -> str:
        """What really runs it: the runtime, the device and the precision."""

    @property
    def precision(self) -> str:
        """What it really computes in: f32, bf16 or f16."""

    def __call__(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Outputs by name for inputs by name."""
