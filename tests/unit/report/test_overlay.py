"""What the picture draws lies on every slice where it lies in the patient, whatever grid each is on."""

import numpy as np
import pytest
from builders.judging.report import make_judgement, make_view
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.dicom.report.picture.overlay import Overlay, overlay_of, pack, unpack
from daemon.dicom.report.picture.palette import ABOVE, OUTLINE

RADIUS_MM = 20.0


def sphere(spacing_mm: float, radius_mm: float = RADIUS_MM) -> tuple[np.ndarray, np.ndarray]:
    """A ball about the origin on a grid of its own, and its affine."""
    side = int(2 * (radius_mm + 8) / spacing_mm)
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = -spacing_mm * (side - 1) / 2
    places = np.indices((side,) * 3) * spacing_mm + affine[:3, 3].reshape(3, 1, 1, 1)
    return np.linalg.norm(places, axis=0) <= radius_mm, affine


@settings(deadline=None, max_examples=30)
@given(
    st.floats(1, 3),
    st.sampled_from([(1, 2, 3), (2, 1, 3), (3, 1, 2)]),
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.integers(0, 15),
)
def test_the_line_is_where_the_structure_ends_in_the_patient(spacing_mm, axes, signs, number):
    ball, affine = sphere(1.0)
    overlay = Overlay(outlined=ball, doubtful=np.zeros_like(ball), affine=affine)
    series = np.zeros((4, 4))
    for column, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        series[axis - 1, column] = sign * spacing_mm
    shape = (48, 40)
    middle = np.array([*(side / 2 for side in shape), 8, 1])
    series[3, 3] = 1
    series[:3, 3] = -(series @ middle)[:3]
    drawn = overlay.draw(series, shape, number)
    rows, columns = np.nonzero(drawn[..., 3])
    places = np.stack([columns, rows, np.full(rows.size, number), np.ones(rows.size)])
    away = np.linalg.norm((series @ places)[:3], axis=0)
    height = abs(number - 8) * spacing_mm

    assert (shape[1], shape[0], 4) == drawn.shape
    assert (rows.size > 0) == (height < RADIUS_MM - 1) or abs(height - RADIUS_MM) <= 2
    ring = np.sqrt(max(RADIUS_MM**2 - height**2, 0))
    assert np.all(away <= RADIUS_MM + 1)
    assert np.all(np.sqrt(np.maximum(away**2 - height**2, 0)) >= ring - 2 * spacing_mm - 2)
    assert rows.size == 0 or {(*OUTLINE, 255)} == {tuple(map(int, one)) for one in drawn[rows, columns]}


def test_doubt_is_dotted_and_of_another_colour():
    ball, affine = sphere(1.0)
    solid = Overlay(outlined=ball, doubtful=np.zeros_like(ball), affine=affine).draw(affine, ball.shape[:2], 28)
    dotted = Overlay(outlined=np.zeros_like(ball), doubtful=ball, affine=affine).draw(affine, ball.shape[:2], 28)
    on = dotted[..., 3] > 0

    assert 0.3 < on.sum() / (solid[..., 3] > 0).sum() < 0.7
    assert np.all(solid[on][:, 3] == 255)
    assert {(*ABOVE, 255)} == {tuple(map(int, one)) for one in dotted[on]}


def test_what_was_drawn_is_kept_in_few_bytes_and_nothing_is_kept_as_nothing():
    ball, affine = sphere(0.5)
    kept = pack(Overlay(outlined=ball, doubtful=~ball, affine=affine))
    again = unpack(kept)
    nothing = np.zeros_like(ball)

    assert np.array_equal(ball, again.outlined)
    assert np.array_equal(~ball, again.doubtful)
    assert np.array_equal(affine, again.affine)
    assert len(kept) < ball.size / 20
    assert b"" == pack(Overlay(outlined=nothing, doubtful=nothing, affine=affine))
    for damaged in (b"", b"PK\3\4", kept[: len(kept) // 2]):
        with pytest.raises(ValueError, match="no overlay"):
            unpack(damaged)


def test_the_outlined_structure_and_the_hot_half_of_what_is_blamed_are_kept():
    view = make_view()  # motion is hot on the patient's left
    found = overlay_of(make_judgement(), view)
    side = view.image.shape[0]

    assert np.array_equal(view.outlined, found.outlined)
    assert found.doubtful[: side // 3][view.region[: side // 3]].all()
    assert not found.doubtful[2 * side // 3 :].any()
    assert not found.doubtful[~view.region].any()
    assert not overlay_of(make_judgement(), make_view(heat={})).doubtful.any()
