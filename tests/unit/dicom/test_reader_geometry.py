"""Where voxels lie, which series are one regular volume, and how others are refused."""

from itertools import pairwise

import numpy as np
import pytest
from builders.images.series import Lattice, classic, decimals, enhanced, labels, mosaic
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from daemon.core.errors import NotAssessable, Reason
from daemon.dicom.reading.volumes import arrange, read_volumes
from models.subject import still

coordinates = st.floats(-300, 300)
angles = st.floats(-4, 4)


@st.composite
def lattices(draw):
    return Lattice(
        columns=draw(st.integers(1, 6)),
        rows=draw(st.integers(1, 6)),
        slices=draw(st.integers(3, 9)),
        spacing=tuple(draw(st.floats(0.4, 9)) for _ in range(3)),
        rotation=Rotation.from_rotvec([draw(angles) for _ in range(3)]).as_matrix(),
        origin=tuple(draw(coordinates) for _ in range(3)),
    )


def furthest_off_mm(volume, lattice):
    """Largest distance between where the volume says a voxel lies and where the series put it."""
    indices = np.indices(volume.still.shape).reshape(3, -1).T
    said = indices @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    truth = lattice.world(volume.still.reshape(-1).astype(int)) * [-1, -1, 1]
    return float(np.abs(said - truth).max())


def refusal(objects):
    with pytest.raises(NotAssessable) as caught:
        read_volumes(objects)
    return caught.value


@given(lattices(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_every_voxel_lies_where_the_series_put_it_in_any_order(lattice, random):
    images = classic(lattice)
    random.shuffle(images)
    (volume,) = read_volumes(images)

    assert (lattice.columns, lattice.rows, lattice.slices) == volume.still.shape
    assert lattice.columns * lattice.rows * lattice.slices == np.unique(volume.still).size
    assert furthest_off_mm(volume, lattice) < 1e-4


@given(lattices())
@settings(max_examples=20, deadline=None)
def test_reversed_slices_give_the_same_voxels_in_space(lattice):
    turned = Lattice(
        lattice.columns,
        lattice.rows,
        lattice.slices,
        lattice.spacing,
        lattice.axes @ np.diag([1, 1, -1]),
        lattice.origin,
    )
    (volume,) = read_volumes(classic(turned))

    assert furthest_off_mm(volume, turned) < 1e-4
    assert np.linalg.det(volume.affine[:3, :3]) > 0


@given(st.permutations(range(6)))
@settings(deadline=None)
def test_the_order_of_arrival_changes_no_bit(order):
    images = classic()
    (sorted_volume,), (volume,) = read_volumes(images), read_volumes([images[i] for i in order])

    assert sorted_volume.still.tobytes() == volume.still.tobytes()
    assert sorted_volume.affine.tobytes() == volume.affine.tobytes()
    assert sorted_volume.acquisition == volume.acquisition


@given(st.lists(st.integers(0, 5), max_size=8))
@settings(deadline=None)
def test_an_image_sent_again_changes_nothing(again):
    images = classic()
    (volume,), (repeated,) = read_volumes(images), read_volumes(images + [images[i] for i in again])

    assert volume.still.tobytes() == repeated.still.tobytes()


def test_of_one_instance_sent_twice_with_other_pixels_the_first_counts():
    images = classic()
    changed = classic(first=1000)[2]
    (volume,), (first,), (last,) = (read_volumes(found) for found in (images, [*images, changed], [changed, *images]))

    assert volume.still.tobytes() == first.still.tobytes() != last.still.tobytes()


@given(lattices().filter(lambda lattice: lattice.slices >= 5), st.data())
@settings(max_examples=40, deadline=None)
def test_missing_slices_are_counted_and_refused(lattice, data):
    inner = range(1, lattice.slices - 1)
    gone = data.draw(st.sets(st.sampled_from(inner), min_size=1, max_size=(lattice.slices - 3) // 2))
    images = [image for k, image in enumerate(classic(lattice)) if k not in gone]
    kept = [k for k in range(lattice.slices) if k not in gone]
    usual = np.median([after - before for before, after in pairwise(kept)])
    error = refusal(images)

    if usual == 1:
        assert (Reason.INCOMPLETE, f"{len(gone)} of {lattice.slices} slices missing") == (error.reason, error.detail)
    else:  # most slices are missing: whatever the usual step is, the rest is no regular volume
        assert error.reason in (Reason.INCOMPLETE, Reason.GEOMETRY)


def shift(image, millimetres):
    image.ImagePositionPatient = decimals(np.array(image.ImagePositionPatient, float) + millimetres)


@given(st.lists(st.floats(-0.02, 0.02), min_size=6, max_size=6))
@settings(deadline=None)
def test_rounded_positions_are_accepted(jitter):
    images = classic(Lattice(spacing=(1, 1, 3.0)))
    for image, share in zip(images, jitter, strict=True):
        shift(image, [0, 0, 3.0 * share])

    assert len(read_volumes(images)) == 1


@given(st.integers(1, 4), st.floats(0.12, 0.4), st.sampled_from([-1, 1]))
@settings(deadline=None)
def test_a_slice_off_the_lattice_is_refused(k, share, sign):
    images = classic(Lattice(spacing=(1, 1, 3.0)))
    shift(images[k], [0, 0, 3.0 * share * sign])

    assert Reason.GEOMETRY is refusal(images).reason


def test_a_slice_shifted_within_its_plane_is_refused():
    images = classic(Lattice(spacing=(1, 1, 3.0)))
    shift(images[2], [0.5, 0, 0])

    assert Reason.GEOMETRY is refusal(images).reason


def test_a_sheared_stack_is_refused():
    images = classic(Lattice(spacing=(1, 1, 3.0)))
    for k, image in enumerate(images):
        shift(image, [0.4 * k, 0, 0])

    assert Reason.GEOMETRY is refusal(images).reason


def test_a_localizer_of_three_planes_is_refused():
    planes = [np.eye(3), np.eye(3)[:, [1, 2, 0]], np.eye(3)[:, [0, 2, 1]] @ np.diag([1, -1, 1])]
    images = [classic(Lattice(rotation=axes, slices=1), uid=f"1.2.{n}")[0] for n, axes in enumerate(planes)]
    error = refusal(images)

    assert (error.reason, error.detail) == (Reason.GEOMETRY, "images of several orientations")


@pytest.mark.parametrize(("slices", "detail"), [(1, "1 slice"), (2, "2 slices")])
def test_too_few_slices_are_refused(slices, detail):
    error = refusal(classic(Lattice(slices=slices)))

    assert (Reason.TOO_FEW, detail) == (error.reason, error.detail)


PLANES = [np.eye(3), np.eye(3)[:, [1, 2, 0]], np.eye(3)[:, [0, 2, 1]] @ np.diag([1, -1, 1])]


@given(st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_planes_of_enough_slices_are_volumes_each_with_its_own_places(random):
    lattices = [Lattice(rotation=axes, slices=3 + n) for n, axes in enumerate(PLANES)]
    images = [image for n, lattice in enumerate(lattices) for image in classic(lattice, uid=f"1.2.{n}")]
    for n, image in enumerate(images):
        image.InstanceNumber = n
    random.shuffle(images)
    volumes = read_volumes(images)

    assert [("Stack=1",), ("Stack=2",), ("Stack=3",)] == [labels(volume) for volume in volumes]
    for lattice, volume in zip(lattices, volumes, strict=True):
        assert (5, 4, lattice.slices) == volume.still.shape
        assert furthest_off_mm(volume, lattice) < 1e-4


def test_parallel_slabs_are_told_apart_by_their_stack():
    slabs = [Lattice(), Lattice(origin=(-40.0, 25.0, 200.0))]
    images = [image for n, slab in enumerate(slabs) for image in classic(slab, uid=f"1.2.{n}", StackID=f"{n}")]
    first, second = read_volumes(images)
    for image in images:
        del image.StackID

    assert Reason.INCOMPLETE is refusal(images).reason
    assert furthest_off_mm(first, slabs[0]) < 1e-4
    assert furthest_off_mm(second, slabs[1]) < 1e-4


def test_a_scan_that_turns_every_few_images_is_refused():
    turns = [np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) for c, s in ((np.cos(a), np.sin(a)) for a in range(17))]
    images = [image for n, axes in enumerate(turns) for image in classic(Lattice(rotation=axes), uid=f"1.2.{n}")]
    error = refusal(images)

    assert (Reason.GEOMETRY, "images of several orientations") == (error.reason, error.detail)


def test_images_of_several_sizes_are_refused():
    odd = classic(Lattice(columns=3), uid="1.9")[2]

    assert Reason.GEOMETRY is refusal([*classic()[:2], odd, *classic()[3:]]).reason


def test_images_of_several_pixel_spacings_are_refused():
    images = classic()
    images[3].PixelSpacing = [2.0, 1.6]

    assert Reason.GEOMETRY is refusal(images).reason


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_images_without_a_geometry_are_refused_not_guessed(keyword):
    images = classic()
    delattr(images[2], keyword)

    assert Reason.GEOMETRY is refusal(images).reason


@pytest.mark.parametrize(
    ("keyword", "value", "detail"),
    [
        ("ImageOrientationPatient", [1, 0, 0, 0.6, 0.8, 0], "direction cosines are no orthonormal pair"),
        ("ImageOrientationPatient", [2, 0, 0, 0, 2, 0], "direction cosines are no orthonormal pair"),
        ("ImageOrientationPatient", [0, 0, 0, 0, 0, 0], "direction cosines are no orthonormal pair"),
        ("ImagePositionPatient", [0, 0, "1e8"], "position or spacing out of range"),
        ("ImagePositionPatient", [0, 0, "1e30"], "image without ImagePositionPatient"),
        ("PixelSpacing", [0, 1], "position or spacing out of range"),
        ("PixelSpacing", [-1, 1], "position or spacing out of range"),
    ],
)
def test_an_impossible_geometry_is_refused(keyword, value, detail):
    images = classic()
    for image in images:
        setattr(image, keyword, value)
    error = refusal(images)

    assert (Reason.GEOMETRY, detail) == (error.reason, error.detail)


@given(lattices(), st.integers(1, 3), st.data())
@settings(max_examples=30, deadline=None)
def test_frames_of_an_enhanced_image_come_in_any_order(lattice, volumes, data):
    order = data.draw(st.permutations(range(volumes * lattice.slices)))
    read = read_volumes([enhanced(lattice, volumes, order)])
    by_label = {labels(volume): volume for volume in read}

    assert volumes == len(read)
    for t in range(volumes):
        volume = by_label[(f"DiffusionBValue={500 * t}",) if volumes > 1 else ()]
        stored = (volume.still + 7) / 2 - 1000 * t
        lying = still(stored, volume.affine)
        assert furthest_off_mm(lying, lattice) < 1e-4
        assert volume.acquisition.echo_time_ms == 4.5


@given(lattices(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_tiles_of_a_mosaic_lie_where_the_slices_did(lattice, backwards):
    (volume,) = read_volumes([mosaic(lattice, backwards=backwards)])

    assert (lattice.columns, lattice.rows, lattice.slices) == volume.still.shape
    assert lattice.columns * lattice.rows * lattice.slices == np.unique(volume.still).size
    assert furthest_off_mm(volume, lattice) < 1e-4


@pytest.mark.parametrize("spoil", ["creator", "header", "entries", "normal", "spacing", "tiles"])
def test_a_mosaic_whose_layout_is_unknown_is_refused(spoil):
    dataset = mosaic(Lattice(slices=7))
    if spoil == "creator":
        del dataset[0x0029, 0x0010]
    if spoil == "header":
        dataset[0x0029, 0x1010].value = b"SV10" + b"\xff" * 200
    if spoil == "entries":
        dataset[0x0029, 0x1010].value = dataset[0x0029, 0x1010].value.replace(b"NumberOf", b"NumberNo")
    if spoil == "normal":
        dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    if spoil == "spacing":
        del dataset.SpacingBetweenSlices
    if spoil == "tiles":
        dataset[0x0029, 0x1010].value = mosaic(Lattice(slices=20))[0x0029, 0x1010].value

    assert refusal([dataset]).reason in (Reason.UNSUPPORTED, Reason.GEOMETRY)


def test_a_volume_beyond_the_limit_is_refused_before_it_is_decoded():
    images = classic()
    for image in images:
        image.PixelData = b""

    with pytest.raises(NotAssessable) as caught:
        arrange(images, voxels_max=119)

    assert Reason.TOO_LARGE is caught.value.reason
    assert len(arrange(images, voxels_max=120)) == 1


def test_volumes_beyond_the_limit_together_are_refused():
    with pytest.raises(NotAssessable) as caught:
        read_volumes([enhanced(volumes=3)], voxels_max=300)

    assert Reason.TOO_LARGE is caught.value.reason
