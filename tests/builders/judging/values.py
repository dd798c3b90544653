"""Small values for tests."""

from dataclasses import fields, replace
from functools import cache
from math import inf

import numpy as np

from daemon.config import shipped_bundles
from daemon.core.judging.assessment import assess
from daemon.core.judging.reference import of_manifest
from daemon.core.measures import Assessment, Measure
from daemon.core.values import Arrival, AssociationEnd, Instance, Place
from export.declared import brain_manifest
from models.brain.prediction import Prediction
from models.bundle import load_bundle
from models.findings import Signal, Structure
from models.methods.brain import Brain
from models.physics.artefacts import ARTEFACTS
from models.physics.spectrum import feature_names
from models.subject import still

ORIENTATION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def arrival(number=0, *, series="s", association="a", at=None):
    """One arrival of a series that comes in at one image a second."""
    return Arrival(
        sop_instance_uid=f"1.2.{ord(series)}.{number}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        calling_ae="SCANNER",
        called_ae="SCANSIDE",
        association=association,
        received_at=float(number) if at is None else at,
        segment="000001.seg",
        offset=number,
        length=1,
    )


_AT_ITS_SLICE = object()


def instance(number=0, *, series="s", association="a", at=None, place=_AT_ITS_SLICE, **facts):
    """The ``number``-th slice of a regular series."""
    if place is _AT_ITS_SLICE:
        place = Place(orientation=ORIENTATION, position_mm=float(number))
    return Instance(
        arrival=arrival(number, series=series, association=association, at=at),
        series_instance_uid=f"1.2.{ord(series)}",
        study_instance_uid="1.2",
        modality="MR",
        digest=str(number),
        place=place,
        **facts,
    )


def association_end(*, at, association="a", aborted=False):
    """The end of an association."""
    return AssociationEnd(association=association, ended_at=at, aborted=aborted)


def measure(name, value, **changes):
    """A measure of the brain bundle's kinds, without a limit unless one is given."""
    told = manifest().signal(name, value)
    return Measure(**{field.name: getattr(told, field.name) for field in fields(Signal)} | changes)


def assessment(levels=None, entropy=0.0, presence=None, distance=None):
    """An assessment whose limits are all 0.3: artefacts at ``levels`` and as plain in the image, the others at 0.

    ``distance`` from every known head has the limit 3.
    """
    values = {artefact.value: (levels or {}).get(artefact, 0.0) for artefact in ARTEFACTS}
    total = {"uncertainty": sum(values.values()), "entropy": entropy}
    measures = [measure(name, value, limit=0.3) for name, value in (values | total).items()]
    if distance is not None:
        measures.append(measure("feature distance", distance, limit=3.0))
    return Assessment(
        primary="uncertainty",
        measures=tuple(measures),
        presence=presence or {name: min(value, 1.0) for name, value in values.items()},
        structures=(Structure(name="grey matter", volume_ml=600.0),),
    )


def prediction():
    """A 9 x 9 x 9 box of background with one voxel of grey matter in its middle."""
    shape = (9, 9, 9)
    labels = np.zeros(shape, np.uint8)
    labels[4, 4, 4] = 2
    probabilities = np.stack([labels == tissue for tissue in range(4)]).astype(np.float32)
    return Prediction(
        image=np.ones(shape, np.float32),
        labels=labels,
        probabilities=probabilities,
        task_variance=np.zeros(shape, np.float32),
        variances={artefact: np.zeros(shape, np.float32) for artefact in ARTEFACTS},
        causes=dict.fromkeys(ARTEFACTS, 0.0),
        volume_samples_ml=np.zeros((2, 4), np.float32),
        embedding=np.zeros(320, np.float32),
        entropy=np.zeros(shape, np.float32),
        features=np.zeros(len(feature_names()), np.float32),
        affine=np.diag([2.0, 2.0, 2.0, 1.0]),
    )


@cache
def manifest():
    """A manifest without references: nothing has a limit."""
    return brain_manifest(
        {
            "name": "test",
            "version": "1",
            "graphs": {},
            "settings": {},
            "references": [{"source": "none", "scores": {}}],
            "known": {"source": "none", "scores": {}},
            "thresholds": {
                "alpha": 0.05,
                "unfamiliar": 0.02,
                "tolerated_loss": 0.1,
                "impaired": 1.0,
                "evident": 0.2,
                "certain": 0.9,
            },
            "golden": {
                "images": {"image": "head.nii.gz"},
                "outputs": "outputs.npz",
                "expected": {},
                "tolerances": {},
            },
            "parity": {},
            "training": {"data": ["none"], "licence": "none", "notice": ""},
            "files": {"head.nii.gz": "", "outputs.npz": ""},
        }
    )


@cache
def shipped():
    """The brain bundle that comes with the software."""
    return load_bundle(shipped_bundles()["brain-t1"])


def brain(settings=None, **changes):
    """The method of the shipped brain bundle, whose manifest and settings may be changed.

    Unless they say so no stranger is refused and no loss is told.
    """
    whole = shipped().manifest
    plain = {"farthest": {}, "largest_cut_cm2": inf, "least_scalp": 0.0, "harm": None}
    manifest = replace(whole, settings={**whole.settings, **plain, **(settings or {})}, **changes)
    return Brain(replace(shipped(), manifest=manifest))


def examined(prediction, settings=None, **changes):
    """What the shipped brain bundle finds in a prediction, compared with its own references."""
    method = brain(settings, **changes)
    findings = method.findings_of(prediction, still(prediction.image, prediction.affine))
    manifest = replace(shipped().manifest, **changes)
    return assess(findings, manifest, of_manifest(manifest, 1.0))
