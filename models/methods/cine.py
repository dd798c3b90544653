"""Short-axis cine of a heart: volumes over the beat, doubt of each slice, what spoils a slice or a breath-hold."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle, structured
from models.cine.crops import CROP, PIXEL_MM
from models.cine.frame import Cine, in_frame, is_short_axis
from models.cine.joining import Joined, Part, joined
from models.cine.numbers import FRACTIONS, VOLUMES, Number, entropy, numbers_of, pixel_millilitres
from models.cine.plausibility import MASK_GRAPH
from models.cine.quality import CAUSES, presence, relative_names
from models.cine.reading import CLASSES, DETAIL_GRAPH, LV, SEGMENT_GRAPH, Reading, read
from models.cine.scores import CineSettings, slice_scores, told_numbers
from models.findings import Findings, Lack, NotThis, Signal, Structure, View
from models.graphs import Array, Run
from models.manifest import Manifest
from models.methods.agreement import graph_faults, hold_to
from models.subject import Image, Subject

Values = npt.NDArray[np.float64]

#: The role of the stack.
ROLE = "cine"
#: Fewer frames show no beat; fewer slices are no heart: their images and their doubt alone are judged.
FEWEST_FRAMES, FEWEST_SLICES = 2, 5
#: Numbers of the stack that tell good from bad, in the order in which reasons are told.
TESTED = ("spoiling", *CAUSES, "doubt", "mask", "shift")
#: Numbers that are told, in fractions, mL, g, phases and mm.
TOLD = (
    *(f"{name}{end}" for name in FRACTIONS for end in ("", ", lower end", ", upper end")),
    *("LV stroke volume", "LV myocardial mass", "end-systolic phases apart"),
    *("pseudo Dice", "pseudo Hausdorff distance", "base", "apex"),
)
#: Numbers of each slice.
EACH = ("slice doubt", "slice shift", "slice incoherence")
SIGNALS = (*TESTED, *TOLD, *EACH)
#: Graph -> names of its inputs and of its outputs.
GRAPHS = {
    SEGMENT_GRAPH: (("image",), ("logits",)),
    DETAIL_GRAPH: (("image", "keep"), ("logits", "distances", "factor")),
    MASK_GRAPH: (("shares",), ("logits",)),
}
#: Pixels of left ventricle at end-diastole without which there is no heart: 6 cm2 of one slice.
_LEAST_HEART_PX = 250


class CineMethod:
    """Examines one heart: a stack of short axes over the beat.

    Raises:
        BundleError: the bundle's graphs, classes or names are not those of this method.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._manifest = bundle.manifest
        self.settings = structured(bundle.manifest.settings, CineSettings)
        hold_to(bundle.manifest, _faults(bundle.manifest, self.settings))

    def examine(self, subject: Subject, graphs: Mapping[str, Run]) -> Findings:
        """Volumes, ejection fractions, doubt and faults of one heart.

        Raises:
            NotThis: no signal, no beat, long axes, or no heart.
        """
        began = time.perf_counter()
        stack = stack_of((*subject.further.get(ROLE, ()), subject.images[ROLE]))
        cine = in_frame(stack.frames, stack.affine)
        ready = time.perf_counter()
        reading = self.read(cine, graphs)
        seen = time.perf_counter()
        findings = self._findings(reading)
        seconds = {"preprocess": ready - began, "infer": seen - ready, "measure": time.perf_counter() - seen}
        return replace(findings, seconds=seconds, remarks=tuple(_remarks(stack)))

    def read(self, cine: Cine, graphs: Mapping[str, Run]) -> Reading:
        """What the networks say of a stack in the fixed frame.

        Raises:
            NotThis: no heart.
        """
        whole = {
            name: keeping_all(run, self.settings.channels) if name == DETAIL_GRAPH else run
            for name, run in graphs.items()
        }
        reading = read(cine, whole, self.settings.temperature, pixel_millilitres(PIXEL_MM, cine.gap_mm))
        if (reading.ed.labels == LV).sum(axis=(0, 1)).max(initial=0) < _LEAST_HEART_PX:
            raise NotThis(Lack.NOT_FOUND, "no heart in short axis")
        return reading

    def _findings(self, reading: Reading) -> Findings:
        cine, settings = reading.cine, self.settings
        scores = slice_scores(reading, settings)
        pixel_ml = pixel_millilitres(PIXEL_MM, cine.gap_mm)
        numbers = numbers_of(reading, pixel_ml, settings.interval_margins, settings.volume_scales)
        is_heart = len(cine.numbers) >= FEWEST_SLICES
        signals = [*self._tested(scores, cine), *self._of_slices(scores, cine)]
        structures: tuple[Structure, ...] = ()
        if is_heart:
            signals.extend(self._told(numbers, reading))
            structures = tuple(
                Structure(name=name, volume_ml=numbers[name].value, interval_ml=numbers[name].interval)
                for name in VOLUMES
            )
        return Findings(
            signals=tuple(signals),
            structures=structures,
            presence={cause: presence(float(np.nanmax(scores[cause]))) for cause in CAUSES},
            view=_view(reading),
            maps={
                f"labels-{name}": partial(_on_own_grid, getattr(reading, name).labels, reading) for name in ("ed", "es")
            },
        )

    def _tested(self, scores: Mapping[str, Values], cine: Cine) -> Iterator[Signal]:
        """Each with the slice where it is worst, as the series counts it."""
        for name in TESTED:
            values = scores[name]
            worst = int(np.nanargmax(values)) if np.isfinite(values).any() else 0
            value = float(values[worst]) if np.isfinite(values[worst]) else 0.0
            yield self._manifest.signal(name, value, at=(cine.numbers[worst] - 1,))

    def _of_slices(self, scores: Mapping[str, Values], cine: Cine) -> Iterator[Signal]:
        for name in EACH:
            for k, number in enumerate(cine.numbers):
                if np.isfinite(scores[name][k]):
                    yield self._manifest.signal(name, float(scores[name][k]), at=(number - 1,))

    def _told(self, numbers: Mapping[str, Number], reading: Reading) -> Iterator[Signal]:
        values = told_numbers(numbers, reading)
        return (self._manifest.signal(name, values[name]) for name in TOLD)


def stack_of(images: Sequence[Image]) -> Joined:
    """The stack of one series, or of several, a slice position each; the last one leads: it is in the stack.

    Raises:
        NotThis: the one that leads has no signal, no beat, or is of a long axis.
    """
    lead = images[-1]
    if len(lead.voxels) < FEWEST_FRAMES:
        raise NotThis(Lack.NOT_FOUND, f"no beat: {len(lead.voxels)} phase")
    if not is_short_axis(lead.affine):
        raise NotThis(Lack.NOT_FOUND, "a long-axis cine")
    across = [one for one in images if len(one.voxels) >= FEWEST_FRAMES and is_short_axis(one.affine)]
    parts = [_part(image, n) for n, image in enumerate(across)]
    stack = joined(parts)
    if parts[-1].number in stack.left_out:  # the others are another stack
        stack = joined(parts[-1:])
    if float(np.ptp(stack.frames)) == 0.0:
        raise NotThis(Lack.FLAT)
    return stack


def _remarks(stack: Joined) -> Iterator[str]:
    if stack.repeated:
        yield f"{stack.repeated} slices were taken again: the later ones count"
    if stack.left_out:
        yield f"{len(stack.left_out)} more series left out: of other slices or pixels than this one"


def _part(image: Image, number: int) -> Part:
    return Part(frames=np.asarray(image.voxels, np.float32), affine=image.affine, number=number)


def keeping_all(run: Run, channels: int) -> Run:
    """The detail graph with nothing dropped, where nothing else is asked for."""

    def plain(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        return run({"keep": np.ones((len(inputs["image"]), channels), np.float32), **inputs})

    return plain


def _view(reading: Reading) -> View:
    """Both phases of every slice, end-diastole first, with the left ventricle outlined and where doubt is."""
    both = (reading.ed, reading.es)
    affine = reading.cine.affine.copy()
    middle = (CROP - 1) / 2
    for n in range(2):
        step = PIXEL_MM / reading.cine.pixel_mm[n]
        affine[:3, 3] += reading.cine.affine[:3, n] * (reading.window.centre[n] - middle * step)
        affine[:3, n] *= step
    return View(
        image=np.concatenate([phase.image for phase in both], axis=2),
        affine=affine,
        region=np.concatenate([phase.labels > 0 for phase in both], axis=2),
        outlined=np.concatenate([phase.labels == LV for phase in both], axis=2),
        heat={"doubt": np.concatenate([entropy(phase.probabilities).sum(axis=0) for phase in both], axis=2)},
    )


def _on_own_grid(labels: npt.NDArray[np.uint8], reading: Reading) -> npt.NDArray[np.uint8]:
    """Labels of the crop on the series' own pixels (i, j, k): each pixel that of the nearest one of the crop."""
    cine, middle = reading.cine, (CROP - 1) / 2
    whole = np.zeros(cine.frames.shape[1:], np.uint8)
    places = []
    for n in range(2):
        at = (np.arange(whole.shape[n]) - reading.window.centre[n]) * cine.pixel_mm[n] / PIXEL_MM + middle
        places.append(np.rint(at).astype(int))
    inside = [np.nonzero((at >= 0) & (at < CROP))[0] for at in places]
    whole[np.ix_(*inside)] = labels[np.ix_(*(at[where] for at, where in zip(places, inside, strict=True)))]
    return cine.own(whole)


def _faults(manifest: Manifest, settings: CineSettings) -> Iterator[str]:
    """How a manifest departs from the order of the graphs' axes and from the names that this method gives."""
    if settings.classes != CLASSES:
        yield f"classes are not {', '.join(CLASSES)}, in this order"
    if settings.causes.features != relative_names():
        yield "the causes' features are not those of this software's slices, in its order"
    if tuple(manifest.structures) != tuple(VOLUMES):
        yield "structures are not the volumes of this method, in their order"
    if set(manifest.causes) != set(CAUSES):
        yield f"causes are not {', '.join(CAUSES)}"
    if wrong := set(manifest.signals) ^ set(SIGNALS):
        yield f"signals {', '.join(sorted(wrong))} are missing or not this method's"
    if tuple(manifest.inputs) != (ROLE,):
        yield f"inputs are not {ROLE}"
    yield from graph_faults(manifest, GRAPHS)
