"""Patients judged by the bundle's own code: torch or ONNX beneath, the same lines as at the scanner above."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.cine.crops import PIXEL_MM
from models.cine.frame import Cine
from models.cine.numbers import pixel_millilitres, values_of_pixels
from models.cine.plausibility import MASK_GRAPH
from models.cine.reading import DETAIL_GRAPH, SEGMENT_GRAPH, Labels, Phase, Reading, read, tempered
from models.graphs import Run
from models.nets.cine import CineJudge
from models.nets.masks import MaskNet
from training.cine.stacks import PHASES, STRUCTURES, Stack, read_stacks

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """One phase of a patient beside its truth on the crop's grid; ``pixels`` (4,): truth of the whole stack, by class.

    ``name``: which phase the truth says it is.
    """

    patient: str
    name: str
    phase: Phase
    truth: Labels
    pixels: npt.NDArray[np.float64]
    gap_mm: float

    def dice(self, labels: Labels, number: int) -> float:
        """Agreement of one structure with the whole truth: what lies beyond the crop is missed."""
        found, true = labels == number, self.truth == number
        total = found.sum() + self.pixels[number]
        return float(2 * (found & true).sum() / total) if total else 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patient:
    """A patient's reading beside the truth of both phases; ``pixel_ml``: what a pixel stands for."""

    name: str
    reading: Reading
    ed: Judged
    es: Judged
    pixel_ml: float

    def at(self, temperature: float) -> "Patient":
        """The same with logits over another temperature."""
        ed, es = (_at(one.phase, temperature) for one in self.both)
        return Patient(
            name=self.name,
            reading=replace(self.reading, ed=ed, es=es),
            ed=replace(self.ed, phase=ed),
            es=replace(self.es, phase=es),
            pixel_ml=self.pixel_ml,
        )

    @property
    def both(self) -> tuple[Judged, Judged]:
        """The two phases."""
        return self.ed, self.es


def _at(phase: Phase, temperature: float) -> Phase:
    probabilities, gap = tempered(phase.detail, temperature)
    return replace(phase, probabilities=probabilities, gap=gap)


def torch_graphs(judge: CineJudge, masks: MaskNet | None = None) -> dict[str, Run]:
    """The graphs of a bundle, run by torch; that of masks where it was trained."""
    judge = judge.eval()
    width = sum(judge.cine.config.masks)

    def keep(inputs: Mapping[str, npt.NDArray[np.float32]]) -> torch.Tensor:
        given = inputs.get("keep")
        return torch.ones(len(inputs["image"]), width) if given is None else torch.from_numpy(given)

    @torch.no_grad()
    def detail(inputs: Mapping[str, npt.NDArray[np.float32]]) -> Mapping[str, npt.NDArray[np.float32]]:
        found = judge(torch.from_numpy(inputs["image"]), keep(inputs))
        return dict(zip(("logits", "distances", "factor"), (one.numpy() for one in found), strict=True))

    @torch.no_grad()
    def segment(inputs: Mapping[str, npt.NDArray[np.float32]]) -> Mapping[str, npt.NDArray[np.float32]]:
        image = torch.from_numpy(inputs["image"])
        return {
            "logits": judge.cine(image, torch.split(keep(inputs), list(judge.cine.config.masks), dim=1)).logits.numpy()
        }

    graphs: dict[str, Run] = {SEGMENT_GRAPH: segment, DETAIL_GRAPH: detail}
    return graphs if masks is None else {**graphs, MASK_GRAPH: mask_run(masks)}


def mask_run(masks: MaskNet) -> Run:
    """The graph of masks, run by torch."""
    masks = masks.eval()

    @torch.no_grad()
    def run(inputs: Mapping[str, npt.NDArray[np.float32]]) -> Mapping[str, npt.NDArray[np.float32]]:
        return {"logits": masks(torch.from_numpy(inputs["shares"])).numpy()}

    return run


def judge_patients(
    folder: Path, patients: Sequence[str], graphs: Mapping[str, Run], temperature: float = 1.0
) -> Iterator[Patient]:
    """End-diastole and end-systole of each, given to the method as a cine of two frames."""
    for patient in patients:
        stacks = {stack.phase: stack for stack in read_stacks(folder, [patient])}
        yield judge_patient(patient, stacks, graphs, temperature)


def judge_patient(name: str, stacks: Mapping[str, Stack], graphs: Mapping[str, Run], temperature: float) -> Patient:
    """One patient; the network decides by itself which frame is which phase, the truth says whether it is right."""
    cine = cine_of([stacks[phase] for phase in PHASES])
    pixel_ml = pixel_millilitres(PIXEL_MM, cine.gap_mm)
    reading = read(cine, graphs, temperature, pixel_ml)
    ed, es = (_judged(stacks[PHASES[phase.number]], phase, reading, cine.gap_mm) for phase in (reading.ed, reading.es))
    return Patient(name=name, reading=reading, ed=ed, es=es, pixel_ml=pixel_ml)


def cine_of(stacks: Sequence[Stack]) -> Cine:
    """Stacks as the frames of a cine; files of this layout lie in the fixed frame already."""
    frames = np.stack([stack.image for stack in stacks])
    x_mm, y_mm, gap_mm = stacks[0].spacing_mm
    return Cine(
        frames=frames,
        pixel_mm=(x_mm, y_mm),
        gap_mm=gap_mm,
        affine=np.diag([x_mm, y_mm, gap_mm, 1.0]),
        numbers=tuple(range(1, frames.shape[3] + 1)),
        first=0,
        turned=(False, False, False),
    )


def _judged(stack: Stack, phase: Phase, reading: Reading, gap_mm: float) -> Judged:
    scale = stack.spacing_mm[0] * stack.spacing_mm[1] / PIXEL_MM**2
    return Judged(
        patient=stack.patient,
        name=stack.phase,
        phase=phase,
        truth=true_crop(stack.labels, reading),
        pixels=np.asarray(np.bincount(stack.labels.ravel(), minlength=len(STRUCTURES)) * scale, float),
        gap_mm=gap_mm,
    )


def true_crop(labels: Labels, reading: Reading) -> Labels:
    """A stack's labels (X, Y, slice) on the crop's grid: of each pixel the class that most of it is."""
    shares = [
        np.moveaxis(reading.window.crop(np.moveaxis((labels == n).astype(np.float32), -1, 0)), 0, -1)
        for n in range(1, 4)
    ]
    background = 1 - np.sum(shares, axis=0)
    return np.asarray(np.stack([background, *shares]).argmax(axis=0), np.uint8)


def true_numbers(patient: Patient) -> dict[str, float]:
    """The truth of every number, from the labels."""
    return values_of_pixels({one.name.lower(): one.pixels for one in patient.both}, patient.pixel_ml)
