"""Heads: tissue segmented, the variance that each artefact causes, how far a head lies from every known one."""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from models.brain.appearance import numbers_of
from models.brain.familiarity import DISTANCES, distances, load_spaces
from models.brain.prediction import (
    JUDGE_GRAPH,
    LOCATOR_GRAPH,
    NetworkGrid,
    NoHeadFound,
    Outputs,
    Prediction,
    Prepared,
    judge_by,
    locate_by,
    predict,
    prepare,
)
from models.brain.refinement import labels_on_own_grid, probabilities_on
from models.brain.scores import (
    FLUID,
    JUDGED,
    NEIGHBOUR,
    classical,
    score,
    tissue_contrast,
    volume_intervals_ml,
    volumes_ml,
)
from models.brain.wholeness import cut_area_cm2, share_of_scalp
from models.bundle import Bundle, structured
from models.findings import Findings, Lack, Loss, NotThis, Signal, SiteSource, Structure, View
from models.graphs import Run
from models.manifest import Manifest
from models.methods.agreement import graph_faults, hold_to, presence_faults
from models.physics.artefacts import ARTEFACTS
from models.physics.spectrum import feature_names, named
from models.preprocess import FloatArray, Grid, canonical, on_own_grid, spacing_of
from models.statistics.harm import Harm
from models.statistics.presence import Presence
from models.subject import Image, Subject

#: The role of the one image.
ROLE = "image"
#: Where less is segmented, the whole volume is shown.
_LEAST_SHOWN_ML = 100.0
#: See BrainSettings.
MOST_TISSUE_ML, BRIGHT_GREY = 1900.0, 0.76
#: Every number that is given, in the order in which reasons are told.
SIGNALS = (*(artefact.value for artefact in ARTEFACTS), "uncertainty", "task", "entropy", "snr", "cnr", *DISTANCES)
#: Graph -> names of its inputs and of its outputs.
GRAPHS = {LOCATOR_GRAPH: (("image",), ("brain",)), JUDGE_GRAPH: (("image", "features"), Outputs._fields)}


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainSettings:
    """What a bundle says to this method.

    ``labels``, ``artefacts`` and ``features``: the order of the graphs' axes; ``familiarity``: the file of the spaces
    that distances are measured in; ``longest_echo_ms``: a longer echo time is another contrast; ``interval_margins``:
    tissue -> how far its volume's interval is widened; ``harm``: tells the loss of Dice that an image costs, where it
    was fitted; ``presence``: tells by the spectrum which artefacts show, in place of the graph's own word.

    ``farthest``: distance -> how far nearly all known heads lie, clean or spoilt; ``largest_cut_cm2``: of the brain
    where the field of view ends, else it is half a head; ``least_scalp``: bright share of what is around the brain,
    else it was extracted. Bundles that say nothing of these refuse nothing for it.

    ``most_tissue_ml``: more grey and white matter than any brain has (the largest have about 1700 mL) is no brain,
    unless a presence of ``plain`` explains it: the strongest spikes turn air into tissue. ``dark_fluid`` and
    ``bright_grey``: in FLAIR fluid is dark as in T1, yet grey matter nearly as bright as white. Sixteen people have
    0.67 to 0.72 of grey over white in T1 and 0.78 to 0.92 in FLAIR; strong artefacts raise it too, but then the fluid
    is bright as well (docs/log.md).
    """

    grid: NetworkGrid
    labels: tuple[str, ...]
    artefacts: tuple[str, ...]
    features: tuple[str, ...]
    familiarity: str
    longest_echo_ms: float
    interval_margins: Mapping[str, float] = field(default_factory=dict)
    most_tissue_ml: float = MOST_TISSUE_ML
    plain: float = 0.97
    dark_fluid: float = 0.5
    bright_grey: float = BRIGHT_GREY
    harm: Harm | None = None
    presence: Presence | None = None
    farthest: Mapping[str, float] = field(default_factory=dict)
    largest_cut_cm2: float = math.inf
    least_scalp: float = 0.0


class Brain:
    """Examines one T1-weighted head.

    Raises:
        BundleError: the bundle's graphs, axes or names are not those of this method.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._manifest = bundle.manifest
        self.settings = structured(bundle.manifest.settings, BrainSettings)
        hold_to(bundle.manifest, _faults(bundle.manifest, self.settings))
        self._spaces = load_spaces(bundle.file(self.settings.familiarity))

    def examine(self, subject: Subject, graphs: Mapping[str, Run]) -> Findings:
        """Tissues, variances and distances of one head.

        Raises:
            NotThis: no signal, another contrast, or no head.
        """
        image, began = subject.images[ROLE], time.perf_counter()
        prepared = self._prepared(image, graphs)
        ready = time.perf_counter()
        prediction = predict(prepared, judge_by(graphs))
        seconds = {"preprocess": ready - began, "infer": time.perf_counter() - ready}
        return self.findings_of(prediction, image, seconds)

    def predict(self, image: Image, graphs: Mapping[str, Run]) -> Prediction:
        """What the networks say of a head, before anything is made of it.

        Raises:
            NotThis: no signal, another contrast by its echo time, or no head.
        """
        return predict(self._prepared(image, graphs), judge_by(graphs))

    def findings_of(self, prediction: Prediction, image: Image, seconds: Mapping[str, float] | None = None) -> Findings:
        """What a prediction of ``image`` says in the names of the manifest.

        Raises:
            NotThis: another contrast by its intensities, more tissue than any brain has, or no whole head.
        """
        settings, labels = self.settings, self.settings.labels
        fluid, grey = tissue_contrast(prediction, labels)
        if fluid < settings.dark_fluid and grey > settings.bright_grey:
            raise NotThis(Lack.CONTRAST, f"grey matter at {grey:.2f} of white")
        volumes = volumes_ml(prediction, labels)
        presence = self._presence(prediction)
        tissue = volumes[JUDGED] + volumes[NEIGHBOUR]
        any_cause = self.any_cause(presence)
        if tissue > settings.most_tissue_ml and any_cause < settings.plain:
            raise NotThis(Lack.NOT_FOUND, f"no head, {tissue:.0f} mL of tissue")
        far = distances(prediction, self._spaces)
        self._check_whole(prediction, image, far)
        told = cache(partial(numbers_of, prediction, labels))
        intervals = volume_intervals_ml(prediction, labels, settings.interval_margins)
        return Findings(
            signals=tuple(self._signals(prediction, far)),
            structures=tuple(Structure(name=n, volume_ml=v, interval_ml=intervals[n]) for n, v in volumes.items()),
            presence=presence,
            any_cause=any_cause,
            loss=self.loss_of({**told(), **named(prediction.features)}) if settings.harm else None,
            source=SiteSource(numbers=told, structure=partial(_judged, prediction, labels, image)),
            view=_view(prediction, labels),
            maps={
                "labels": partial(labels_on_own_grid, image.still, image.affine, prediction),
                **{
                    f"variance-{artefact.value}": partial(_on_own_grid, variance, prediction, image)
                    for artefact, variance in prediction.variances.items()
                },
            },
            seconds=seconds or {},
        )

    def loss_of(self, numbers: Mapping[str, float]) -> Loss | None:
        """The loss of Dice that an image of such numbers costs, where a bundle tells it."""
        harm = self.settings.harm
        return Loss(expected=harm.expect(numbers), interval=harm.interval(numbers)) if harm else None

    def any_cause(self, presence: Mapping[str, float]) -> float:
        """Probability that any artefact shows: a regression shares one out, a graph tells each by itself."""
        return sum(presence.values()) if self.settings.presence else max(presence.values())

    def _presence(self, prediction: Prediction) -> dict[str, float]:
        if self.settings.presence is None:
            return {artefact.value: float(value) for artefact, value in prediction.causes.items()}
        return self.settings.presence(named(prediction.features))

    def _check_whole(self, prediction: Prediction, image: Image, far: dict[str, float]) -> None:
        """Refuse what the numbers mean nothing for, whatever artefact the spectrum suspects; ``far``: its distances.

        What a bundle has no limit for is not measured.

        Raises:
            NotThis: unlike nearly every head, clean or spoilt; half a head; a brain without a head.
        """
        settings = self.settings
        if any(far[name] > limit for name, limit in settings.farthest.items()):
            raise NotThis(Lack.NOT_FOUND, "unlike nearly every head, clean or spoilt")
        if math.isfinite(settings.largest_cut_cm2):
            turned, affine = canonical(image.still, image.affine)
            cut = cut_area_cm2(prediction, Grid(turned.shape, affine))
            if cut > settings.largest_cut_cm2:
                raise NotThis(Lack.NOT_FOUND, f"no whole head, the field of view cuts {cut:.0f} cm2 of the brain")
        if settings.least_scalp > 0 and share_of_scalp(prediction) < settings.least_scalp:
            raise NotThis(Lack.NOT_FOUND, "nothing around the brain, it was extracted")

    def _prepared(self, image: Image, graphs: Mapping[str, Run]) -> Prepared:
        if float(np.ptp(image.still)) == 0.0:
            raise NotThis(Lack.FLAT)
        echo = image.acquisition.echo_time_ms
        if echo is not None and echo > self.settings.longest_echo_ms:
            raise NotThis(Lack.CONTRAST, f"echo time {echo:.0f} ms")
        try:
            return prepare(image.still, image.affine, self.settings.grid, locate_by(graphs))
        except NoHeadFound as error:
            raise NotThis(Lack.NOT_FOUND, "no head") from error

    def _signals(self, prediction: Prediction, far: dict[str, float]) -> Iterator[Signal]:
        labels = self.settings.labels
        values = score(prediction, labels) | classical(prediction, labels) | far
        return (self._manifest.signal(name, values[name]) for name in SIGNALS)


def _faults(manifest: Manifest, settings: BrainSettings) -> Iterator[str]:
    """How a manifest departs from the order of the graphs' axes and from the names that this method gives."""
    artefacts = tuple(artefact.value for artefact in ARTEFACTS)
    if settings.artefacts != artefacts:
        yield f"artefacts are not {', '.join(artefacts)}, in this order"
    if settings.features != feature_names():
        yield "features are not those of this software's spectrum, in its order"
    if settings.presence:
        yield from presence_faults(manifest, settings.presence)
    if missing := {JUDGED, NEIGHBOUR, FLUID} - set(settings.labels):
        yield f"labels lack {', '.join(sorted(missing))}"
    if settings.labels[1:] != tuple(manifest.structures):
        yield "structures are not the labels but for the first, in their order"
    if set(manifest.causes) != set(artefacts):
        yield "causes are not the artefacts"
    if wrong := set(manifest.signals) ^ set(SIGNALS):
        yield f"signals {', '.join(sorted(wrong))} are missing or not this method's"
    if tuple(manifest.inputs) != (ROLE,):
        yield f"inputs are not {ROLE}"
    if settings.familiarity not in manifest.files:
        yield f"{settings.familiarity} is not among the files"
    yield from graph_faults(manifest, GRAPHS)


def _judged(prediction: Prediction, labels: tuple[str, ...], image: Image) -> npt.NDArray[np.bool_]:
    """Where the judged tissue is the most probable, on the image's own grid in canonical order."""
    turned, affine = canonical(image.still, image.affine)
    called: npt.NDArray[np.bool_] = probabilities_on(Grid(turned.shape, affine), prediction).argmax(
        axis=0
    ) == labels.index(JUDGED)
    return called


def _view(prediction: Prediction, labels: tuple[str, ...]) -> View:
    """The network's image, with what is segmented of it, the judged tissue and where each artefact costs most."""
    region = prediction.labels > 0
    if region.sum() * float(np.prod(spacing_of(prediction.affine))) / 1000 < _LEAST_SHOWN_ML:
        region = np.zeros_like(region)
    return View(
        image=prediction.image,
        affine=prediction.affine,
        region=region,
        outlined=prediction.labels == labels.index(JUDGED),
        heat={artefact.value: variance for artefact, variance in prediction.variances.items()},
    )


def _on_own_grid(values: FloatArray, prediction: Prediction, image: Image) -> npt.NDArray[np.float32]:
    """Values (D, H, W) of the network's grid on the image's own, (i, j, k)."""
    return on_own_grid(values, Grid(prediction.labels.shape, prediction.affine), image.still, image.affine)
