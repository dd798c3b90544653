"""Small values for tests."""

import numpy as np

from daemon.core.values import Arrival, Assessment, AssociationEnd, Instance, Measure, Place
from models.artefacts import ARTEFACTS
from models.bundle import Golden, Manifest, NetworkGrid, Parity, Reference, Thresholds, Training
from models.prediction import Prediction

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


def assessment(levels=None, entropy=0.0, presence=None, distance=None):
    """An assessment whose limits are all 0.3: artefacts at ``levels`` and as plain in the image, the others at 0.

    ``distance`` from every known head has the limit 3.
    """
    values = {artefact: (levels or {}).get(artefact, 0.0) for artefact in ARTEFACTS}
    artefacts = {artefact: Measure(value=value, unit="1", limit=0.3) for artefact, value in values.items()}
    uncertainty = Measure(value=sum(values.values()), unit="1", limit=0.3)
    measures = {artefact.value: measure for artefact, measure in artefacts.items()}
    measures["uncertainty"] = uncertainty
    measures["entropy"] = Measure(value=entropy, unit="1", limit=0.3)
    if distance is not None:
        measures["feature distance"] = Measure(value=distance, unit="1", limit=3.0)
    return Assessment(
        uncertainty=uncertainty,
        artefacts=artefacts,
        causes=presence or {artefact: min(value, 1.0) for artefact, value in values.items()},
        volumes_ml={"grey matter": 600.0},
        measures=measures,
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
        embedding=np.zeros(6, np.float32),
        entropy=np.zeros(shape, np.float32),
        affine=np.diag([2.0, 2.0, 2.0, 1.0]),
    )


def manifest():
    """A manifest without references: nothing has a limit."""
    return Manifest(
        format=4,
        name="test",
        version="1",
        task="test",
        intended_use="test",
        locator="locate.onnx",
        judge="judge.onnx",
        familiarity="familiarity.npz",
        longest_echo_ms=30.0,
        network=NetworkGrid(spacing_mm=2.0, box=(96, 112, 96), locator_multiple=8),
        normalisation="test",
        labels=("background", "CSF", "grey matter", "white matter"),
        artefacts=tuple(artefact.value for artefact in ARTEFACTS),
        features=("one",),
        references=(Reference(source="none", scores={}),),
        known=Reference(source="none", scores={}),
        interval_margins={},
        thresholds=Thresholds(alpha=0.05, impaired=1.0, dice_loss=0.1, unfamiliar=0.02),
        golden=Golden(series="head.nii.gz", outputs="outputs.npz", expected={}, tolerances={}),
        parity=Parity(logits=0, variances=0, causes=0, factor=0, deviation=0, embedding=0, entropy=0, labels_equal=1),
        training=Training(data=("none",), licence="none", notice=""),
        files={},
    )
