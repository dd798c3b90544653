"""The images of an evaluation: each person clean, and spoilt by our simulators or by somebody else."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from models.physics.artefacts import ARTEFACTS
from training.evaluation.cases import by_the_second_scanner, with_artefact
from training.harm.evaluated import GIVEN, OWN, TORCHIO, BrainEvaluationPlan, Case, Person
from training.harm.judging import head_files, read_head
from training.harm.spoilt_images import CLEAN, GivenImage, given_images
from training.nifti import read_canonical
from training.truth import Truth


def people_of(plan: BrainEvaluationPlan) -> Iterator[Person]:
    """Each person's images: clean, and given ones or our own; files of one head are one person."""
    heads = {path.name.removesuffix("_T1w.nii.gz"): path for path in head_files(plan.data)}
    chosen = dict(list(heads.items())[: plan.people])
    given: dict[str, list[GivenImage]] = {}
    if plan.images is not None:
        for image in given_images(plan.images, chosen):
            given.setdefault(image.person, []).append(image)
    for number, (name, path) in enumerate(chosen.items()):
        truth = read_head(path)
        clean = Case(key=f"{name} clean", head=name, artefact=CLEAN, simulator=OWN, make=partial(_same, truth))
        made = _spoilt(plan, name, truth, number) if plan.images is None else _given(plan, given.get(name, []), truth)
        if plan.images is None or name in given:
            yield Person(truth=truth, cases=(clean, *made))


def _same(truth: Truth) -> Truth:
    return truth


def _spoilt(plan: BrainEvaluationPlan, name: str, truth: Truth, number: int) -> Iterator[Case]:
    """Every artefact of both simulators at random severities."""
    for repeat in range(plan.repeats):
        rng = np.random.default_rng((plan.seed, number, repeat))
        for artefact in ARTEFACTS:
            severity, seed = float(rng.uniform(0.05, 1.0)), int(rng.integers(2**31))
            for simulator, make in ((OWN, with_artefact), (TORCHIO, by_the_second_scanner)):
                yield Case(
                    key=f"{name} {simulator} {artefact.value} {repeat} {severity:.2f}",
                    head=name,
                    artefact=artefact.value,
                    simulator=simulator,
                    make=partial(make, truth, artefact, severity, seed),
                )


def _given(plan: BrainEvaluationPlan, images: list[GivenImage], truth: Truth) -> Iterator[Case]:
    for image in images:
        where = image.path.relative_to(plan.images or image.path.parent)
        yield Case(
            key=f"{image.person} {GIVEN} {where}",
            head=image.person,
            artefact=image.artefact,
            simulator=GIVEN,
            make=partial(_read_given, image, truth),
        )


def _read_given(image: GivenImage, truth: Truth) -> Truth:
    """The given voxels on their own grid, the labels on theirs."""
    voxels, affine = read_canonical(image.path)
    while voxels.ndim > 3:
        voxels = voxels[..., 0]
    severity = np.array([image.severity if kind.value == image.artefact else 0.0 for kind in ARTEFACTS], np.float32)
    return replace(
        truth,
        voxels=np.nan_to_num(voxels, nan=0.0, posinf=0.0, neginf=0.0),
        affine=affine,
        labels_affine=truth.affine,
        severity=severity,
    )
