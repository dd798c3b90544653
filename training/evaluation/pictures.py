"""One synthetic head, clean and with each artefact, and what the networks say of it. No person is shown."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from models.brain.prediction import Prediction
from models.physics.artefacts import ARTEFACTS, Artefact
from models.preprocess import FloatArray
from training.brain.networks import onnx_networks
from training.evaluation.cases import SyntheticPeople, with_artefact
from training.truth import Truth

Map = npt.NDArray[np.generic]

#: A head of the stream with a common field of view; the severity of every artefact.
_SEED, _SEVERITY = 32, 0.6
_LABELS = ListedColormap(["#000000", "#56B4E9", "#8C8C8C", "#FFFFFF"])
_ROWS = ("image", "labels", "artefact variance")


def picture_of_artefacts(bank: Path, label_maps: Path, bundle: Path) -> Figure:
    """Columns: clean and each artefact; rows: the network's image, its labels, the sum of its artefact variances."""
    networks = onnx_networks(bundle)
    head = SyntheticPeople(bank=bank, label_maps=label_maps, seed=_SEED).head(0)
    found = [(name, networks.predict(case.voxels, case.affine)) for name, case in _cases(head)]
    top = max(float(np.percentile(_total(prediction), 99.5)) for _, prediction in found)
    figure = Figure(figsize=(9.4, 5.2), layout="constrained")
    grid = figure.subplots(len(_ROWS), len(found), squeeze=False)
    for column, (name, prediction) in enumerate(found):
        maps: tuple[Map, ...] = (prediction.image, prediction.labels, _total(prediction))
        ends = (float(np.percentile(prediction.image, 99.7)), 3.0, top)
        colours = ("gray", _LABELS, "magma")
        for axes, values, high, colour in zip(grid[:, column], maps, ends, colours, strict=True):
            axes.imshow(_slice(values), cmap=colour, vmin=0, vmax=high, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
        grid[0, column].set_title(name, fontsize=9)
    for axes, label in zip(grid[:, 0], _ROWS, strict=True):
        axes.set_ylabel(label, fontsize=9)
    return figure


def _cases(head: Truth) -> Iterator[tuple[str, Truth]]:
    yield "clean", head
    for artefact in ARTEFACTS:
        yield _titled(artefact), with_artefact(head, artefact, _SEVERITY, seed=3)


def _titled(artefact: Artefact) -> str:
    return f"{artefact.value}, severity {_SEVERITY:g}"


def _total(prediction: Prediction) -> FloatArray:
    total: FloatArray = np.sum(list(prediction.variances.values()), axis=0)
    return total


def _slice(values: Map) -> Map:
    """The middle axial slice, nose up."""
    return values[:, ::-1, values.shape[2] // 2].T
