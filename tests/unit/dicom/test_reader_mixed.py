"""Series whose images are not all of one kind: told apart, left out and said so, or refused by name."""

from dataclasses import replace

import numpy as np
import pytest
from builders.images.series import Lattice, classic, enhanced, labels

from daemon.config import Settings
from daemon.core.errors import NotAssessable, Reason
from daemon.dicom.reading.facts import facts_of
from daemon.dicom.reading.volumes import arrange, read_volumes
from daemon.line.selection import consider, select
from daemon.routes import all_routes

ROUTES = all_routes(Settings())

LATTICE = Lattice(slices=12, spacing=(1.0, 1.0, 1.2))
HEAD = {
    "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
    "BodyPartExamined": "BRAIN",
    "ScanningSequence": ["GR", "IR"],
    "EchoTime": 2.98,
    "RepetitionTime": 2300,
    "InversionTime": 900,
}
TURNED = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def head(lattice=LATTICE, **facts):
    return classic(lattice, **HEAD | facts)


def refusal(images):
    return consider(arrange(images), ROUTES).refusal


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ImageType", ["ORIGINAL", "PRIMARY", "M", "NORM"]),
        ("ComplexImageComponent", "MAGNITUDE"),
        ("EchoTime", 4.9),
        ("InversionTime", 1100),
        ("FlipAngle", 20),
        ("RepetitionTime", 2000),
        ("BodyPartExamined", "HEADNECK"),
        ("SequenceVariant", "SK"),
        ("MRAcquisitionType", "2D"),
        ("MagneticFieldStrength", 3),
    ],
)
@pytest.mark.parametrize("which", [slice(5, 6), slice(0, 6), slice(1, None, 2)])
def test_a_fact_that_differs_within_a_volume_refuses_the_series_by_its_name(name, value, which):
    others = {"ComplexImageComponent": "MIXED2", "FlipAngle": 8, "SequenceVariant": "MP", "MRAcquisitionType": "3D"}
    images = head(**others | {"MagneticFieldStrength": 1.5, "ComplexImageComponent": "OTHER"})
    for image in images[which]:
        setattr(image, name, value)

    assert (Reason.MIXED, name) == (refusal(images).reason, refusal(images).detail)


@pytest.mark.parametrize("position", [0, 7])
def test_a_phase_image_among_the_magnitudes_refuses_the_series(position):
    images = head()
    images[position].ImageType = ["ORIGINAL", "PRIMARY", "P", "ND"]

    assert "phase, real or imaginary images" == refusal(images).detail


def test_a_diffusion_weighted_image_anywhere_in_a_volume_is_seen():
    images = head(DiffusionBValue=0.0)
    images[7].DiffusionBValue = 1000.0

    assert (Reason.MIXED, "DiffusionBValue") == (refusal(images).reason, refusal(images).detail)


def test_a_fact_that_differs_between_frames_of_one_object_is_seen():
    image = enhanced(LATTICE)
    image.BodyPartExamined, image.AcquisitionContrast = "BRAIN", "T1"
    for n, group in enumerate(image.PerFrameFunctionalGroupsSequence):
        group.MRDiffusionSequence[0].DiffusionBValue = 0.0
        group.MREchoSequence = [type(image)()]
        group.MREchoSequence[0].EffectiveEchoTime = 3.0 if n < 6 else 9.0
    del image.SharedFunctionalGroupsSequence[0].MREchoSequence

    assert (Reason.MIXED, "EchoTime") == (refusal([image]).reason, refusal([image]).detail)


@pytest.mark.parametrize(
    "change",
    [{"EchoTime": 2.99}, {"RepetitionTime": 2300.001}, {"EchoTime": None}, {"TriggerTime": 5}, {"ImageType": None}],
)
def test_noise_silence_and_time_mix_nothing(change):
    images = head()
    for image in images[3:7]:
        for name, value in change.items():
            setattr(image, name, value)

    assert refusal(images) is None


def test_every_image_of_the_volume_has_its_say():
    images = head()
    images[9].SeriesDescription = "scout"

    assert ("scout",) == facts_of(arrange(images)[0], 1)["SeriesDescription"]
    assert "a localizer" == refusal(images).detail


def reformats(count, lattice=None, **facts):
    lattice = lattice or replace(LATTICE, rotation=TURNED, slices=count)
    types = ["DERIVED", "SECONDARY", "MPR"]
    return classic(lattice, uid="1.9", **HEAD | {"ImageType": types} | facts)[:count]


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("first", [True, False])
def test_reformats_beside_an_original_volume_are_left_out_and_said_so(count, first):
    images = [*reformats(count), *head()] if first else [*head(), *reformats(count)]
    volume = select(images, ROUTES).image

    assert np.array_equal(read_volumes(head())[0].still, volume.still)
    assert f"{count} derived images left out" == volume.remark


@pytest.mark.parametrize(
    "lattice",
    [
        replace(LATTICE, slices=4, spacing=(1.0, 1.0, 5.0)),  # thick slabs of the same plane
        replace(LATTICE, slices=4, origin=(0.0, 0.0, 500.0)),  # elsewhere
        replace(LATTICE, slices=4, columns=9),  # of another size
        replace(LATTICE, slices=4, spacing=(2.0, 2.0, 1.2)),
    ],
)
def test_derived_images_that_are_not_the_same_slices_again_are_left_out(lattice):
    volume = select([*head(), *reformats(4, lattice)], ROUTES).image

    assert "4 derived images left out" == volume.remark
    assert 12 == volume.still.shape[2]


def test_views_from_all_around_are_left_out():
    around = []
    for n in range(24):
        angle = np.pi * n / 24
        turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
        around += classic(
            replace(LATTICE, rotation=turn, slices=1), uid=f"1.8.{n}", **HEAD | {"ImageType": ["DERIVED", "PRIMARY"]}
        )

    assert "24 derived images left out" == select([*head(), *around], ROUTES).image.remark


def test_a_map_of_the_same_slices_is_a_volume_of_its_own():
    volumes = read_volumes(
        [*head(), *classic(LATTICE, uid="1.7", **HEAD | {"ImageType": ["DERIVED", "PRIMARY", "FA"]})]
    )

    assert {("ImageType=ORIGINAL\\PRIMARY\\M\\ND",), ("ImageType=DERIVED\\PRIMARY\\FA",)} == {
        labels(volume) for volume in volumes
    }
    assert {""} == {volume.remark for volume in volumes}


def test_original_images_of_two_planes_are_still_refused():
    images = [*head(), *classic(replace(LATTICE, rotation=TURNED, slices=2), uid="1.9", **HEAD)]
    with pytest.raises(NotAssessable) as caught:
        arrange(images)

    assert Reason.GEOMETRY is caught.value.reason


def test_a_series_of_derived_images_alone_loses_none():
    assert "" == select(head(ImageType=["DERIVED", "SECONDARY"]), ROUTES).image.remark
