"""White-matter lesions in FLAIR, with its T1 where there is one: segmented, counted, and their Dice predicted."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from models.brain.prediction import LOCATOR_GRAPH, NetworkGrid, NoHeadFound, cut_about_brain, locate_by
from models.bundle import Bundle, structured
from models.findings import Findings, Lack, Loss, NotThis, Structure, View
from models.graphs import Run
from models.lesions.beside import NotUsable, laid_beside
from models.lesions.prediction import (
    CSF,
    GRAPH,
    GREY,
    IMAGES,
    MASKS,
    OUTPUTS,
    WHITE,
    LesionNetwork,
    Prediction,
    Prepared,
    Samples,
    entropy,
    prepare,
)
from models.lesions.scores import interval_ml, lesion_count, lesion_ml, several_passes, single_pass
from models.manifest import Manifest
from models.methods.agreement import graph_faults, hold_to, presence_faults
from models.physics.spectrum import named
from models.preprocess import FloatArray, Grid, on_own_grid
from models.statistics.harm import Harm
from models.statistics.presence import Presence
from models.subject import Image, Subject

#: The role of the FLAIR, and that of the T1 of the same head, which may be lacking.
ROLE, T1 = "flair", "t1"
STRUCTURE = "white matter lesions"
#: The numbers that are given, in the order in which reasons are told.
SIGNALS = ("entropy", "predicted Dice", "least predicted Dice", "lesion count", "confidence", "contrast")
#: How likely any artefact shows, where a bundle tells artefacts apart: evidence of the image.
ARTEFACT = "artefact"
#: Those that passes with dropped channels add, where a bundle asks for passes.
OF_PASSES = ("mutual information", "pairwise Dice")
#: Graph -> names of its inputs and of its outputs.
GRAPHS = {LOCATOR_GRAPH: (("image",), ("brain",)), GRAPH: ((IMAGES, *MASKS), OUTPUTS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionSettings:
    """What a bundle says to this method.

    ``channels`` of each dropout mask, of which a pass drops the share ``dropped``; ``passes``: how many there are
    beside the plain one; ``threshold``: from which probability on lesion is called, and ``border``: from which share of
    the way between white matter and lesions; ``loss``: tells what Dice is lost; ``margin`` of the volume's interval;
    ``presence``: tells which artefacts show, where it was fitted.

    ``bright_fluid``, ``dark_grey``: fluid or grey matter over white matter, above and below which it is no FLAIR.
    """

    grid: NetworkGrid
    channels: tuple[int, ...]
    dropped: float
    threshold: float
    loss: Harm
    margin: float
    border: float = 0.5
    passes: int = 0
    presence: Presence | None = None
    bright_fluid: float = 0.85
    dark_grey: float = 0.74


class Lesions:
    """Examines one FLAIR of a head, alone or with the T1 beside it.

    Raises:
        BundleError: the bundle's graphs or names are not those of this method.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._manifest = bundle.manifest
        self.settings = structured(bundle.manifest.settings, LesionSettings)
        hold_to(bundle.manifest, _faults(bundle.manifest, self.settings))

    def examine(self, subject: Subject, graphs: Mapping[str, Run]) -> Findings:
        """The lesions of one head.

        Raises:
            NotThis: no signal, another contrast, or no head.
        """
        image, began = subject.images[ROLE], time.perf_counter()
        prepared = self.prepare(subject, graphs)
        ready = time.perf_counter()
        network, passes = self.network(graphs), self.settings.passes
        prediction = network.predict(prepared)
        samples = network.sample(prepared, prediction.level, passes) if passes else None
        seconds = {"preprocess": ready - began, "infer": time.perf_counter() - ready}
        unused = {T1: prepared.left_out} if prepared.left_out else {}
        return replace(self.findings_of(prediction, samples, image), seconds=seconds, unused=unused)

    def prepare(self, subject: Subject, graphs: Mapping[str, Run]) -> Prepared:
        """The network's box; a T1 that is none of this head is left out.

        Raises:
            NotThis: no signal, or no head.
        """
        image, grid, locate = subject.images[ROLE].still, self.settings.grid, locate_by(graphs)
        if float(np.ptp(image)) == 0.0:
            raise NotThis(Lack.FLAT)
        try:
            box = cut_about_brain(image, subject.images[ROLE].affine, grid, locate)
        except NoHeadFound as error:
            raise NotThis(Lack.NOT_FOUND, "no head") from error
        if T1 not in subject.images:
            return prepare(box, None, self.contrasts)
        try:
            return prepare(box, laid_beside(subject.images[T1], box, grid, locate), self.contrasts)
        except NotUsable as error:
            return replace(prepare(box, None, self.contrasts), left_out=str(error))

    @property
    def contrasts(self) -> int:
        """How many the graph takes."""
        return len(self._manifest.inputs)

    def network(self, graphs: Mapping[str, Run]) -> LesionNetwork:
        """The lesion graph, asked as the bundle says."""
        settings = self.settings
        return LesionNetwork(
            run=graphs[GRAPH],
            channels=settings.channels,
            threshold=settings.threshold,
            dropped=settings.dropped,
            border=settings.border,
            contrasts=self.contrasts,
        )

    def findings_of(self, prediction: Prediction, samples: Samples | None, image: Image) -> Findings:
        """What a prediction of ``image`` says in the names of the manifest.

        Raises:
            NotThis: another contrast by its intensities.
        """
        numbers = single_pass(prediction)
        self._hold_contrast(prediction, numbers)
        doubt = entropy(prediction.probability if samples is None else samples.mean)
        volume = lesion_ml(prediction.mask, prediction)
        loss = self.loss_of(numbers)
        presence = self.settings.presence(named(prediction.features)) if self.settings.presence else {}
        values = {**self._values(prediction, numbers, loss, samples), ARTEFACT: sum(presence.values())}
        return Findings(
            signals=tuple(self._manifest.signal(name, values[name]) for name in _names(self.settings)),
            structures=(
                Structure(name=STRUCTURE, volume_ml=volume, interval_ml=interval_ml(prediction, self.settings.margin)),
            ),
            presence=presence,
            any_cause=self.any_cause(presence),
            loss=loss,
            view=View(
                image=prediction.image,
                affine=prediction.affine,
                region=prediction.tissues.argmax(axis=0) > 0,
                outlined=prediction.mask,
                heat={"entropy": doubt},
            ),
            maps={
                "lesions": partial(mask_on_own_grid, prediction, self.settings.threshold, image),
                "entropy": partial(_on_own_grid, doubt, prediction, image),
            },
        )

    def loss_of(self, numbers: Mapping[str, float]) -> Loss:
        """The Dice that is expected to be lacking to 1, with its bounds."""
        low, high = self.settings.loss.interval(numbers)
        return Loss(expected=min(1.0, self.settings.loss.expect(numbers)), interval=(min(1.0, low), min(1.0, high)))

    def any_cause(self, presence: Mapping[str, float]) -> float:
        """Probability that the artefact that shows most does: whether any does is a measure of its own."""
        return max(presence.values(), default=0.0)

    def _hold_contrast(self, prediction: Prediction, numbers: Mapping[str, float]) -> None:
        found = np.bincount(prediction.tissues.argmax(axis=0).ravel(), minlength=WHITE + 1)
        if not (found[[CSF, GREY, WHITE]] > 0).all():
            raise NotThis(Lack.NOT_FOUND, "no head")
        if (grey := numbers["grey over white"]) < self.settings.dark_grey:
            raise NotThis(Lack.CONTRAST, f"grey matter at {grey:.2f} of white")
        if (fluid := numbers["fluid over white"]) > self.settings.bright_fluid:
            raise NotThis(Lack.CONTRAST, f"fluid at {fluid:.2f} of white matter")

    def _values(
        self, prediction: Prediction, numbers: Mapping[str, float], loss: Loss, samples: Samples | None
    ) -> dict[str, float]:
        return {
            **numbers,
            "predicted Dice": 1 - loss.expected,
            "least predicted Dice": 1 - loss.interval[1],
            "lesion count": float(lesion_count(prediction.mask, prediction)),
            **({} if samples is None else several_passes(samples, prediction)),
        }


def _names(settings: LesionSettings) -> tuple[str, ...]:
    """The signals that a bundle of these settings gives."""
    return (*((ARTEFACT,) if settings.presence else ()), *SIGNALS, *(OF_PASSES if settings.passes else ()))


def _faults(manifest: Manifest, settings: LesionSettings) -> Iterator[str]:
    """How a manifest departs from the graphs and the names of this method."""
    if tuple(manifest.structures) != (STRUCTURE,):
        yield f"structures are not {STRUCTURE}"
    if settings.presence:
        yield from presence_faults(manifest, settings.presence)
    elif manifest.causes:
        yield "it declares causes and has nothing that tells them"
    if set(manifest.signals) != set(_names(settings)):
        yield "signals are not this method's"
    if tuple(manifest.inputs) not in ((ROLE,), (ROLE, T1)):
        yield f"inputs are not {ROLE}, or {ROLE} and {T1}"
    elif GRAPH in manifest.graphs and manifest.graphs[GRAPH].inputs[0].dims[1] != len(manifest.inputs):
        yield f"{IMAGES} of {GRAPH} are not of {len(manifest.inputs)} contrasts"
    if len(settings.channels) != len(MASKS):
        yield f"channels are not those of {len(MASKS)} masks"
    yield from graph_faults(manifest, GRAPHS)


def mask_on_own_grid(prediction: Prediction, threshold: float, image: Image) -> npt.NDArray[np.uint8]:
    """Where lesion is called on the image's own grid, uint8 (i, j, k): probability and intensity are interpolated."""
    likely = _on_own_grid(prediction.probability, prediction, image) >= threshold
    return np.asarray(likely & (_on_own_grid(prediction.image, prediction, image) >= prediction.level), np.uint8)


def _on_own_grid(values: FloatArray, prediction: Prediction, image: Image) -> npt.NDArray[np.float32]:
    """Values (D, H, W) of the network's grid on the image's own, (i, j, k)."""
    return on_own_grid(values, Grid(prediction.probability.shape, prediction.affine), image.still, image.affine)
