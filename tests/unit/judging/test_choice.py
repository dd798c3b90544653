"""Which of several volumes stands for a series, and what is said where none does."""

import pytest

from daemon.core.errors import NotAssessable, Reason
from daemon.core.judging.choice import choose, choose_all
from models.subject import Quantity

MAGNITUDE, PHASE = "ImageType=ORIGINAL\\PRIMARY\\M\\ND", "ImageType=ORIGINAL\\PRIMARY\\P\\ND"


def stated(labels):
    """Dimensions from labels such as "EchoTime=4.92": words for image types, numbers for all else."""
    found = (label.split("=") for label in labels)
    return {name: _quantity(value.split("\\"), words="Image" in name) for name, value in found}


def _quantity(values, *, words):
    return Quantity(tuple(values)) if words else Quantity(tuple(map(float, values)), "1")


@pytest.mark.parametrize(
    ("volumes", "chosen"),
    [
        ([()], 0),
        ([(PHASE,), (MAGNITUDE,)], 1),
        ([("ComplexImageComponent=PHASE",), ("ComplexImageComponent=MAGNITUDE",)], 1),
        ([("ImageType=DERIVED\\PRIMARY\\M",), (MAGNITUDE,)], 1),
        ([("ImageType=ORIGINAL\\PRIMARY\\T1\\NONE",), ("ImageType=ORIGINAL\\PRIMARY\\PHASE\\NONE",)], 0),
        ([("EchoTime=7.38",), ("EchoTime=4.92",), ("EchoTime=10",)], 1),
        ([("EchoNumbers=2",), ("EchoNumbers=1",)], 1),
        ([(PHASE, "EchoTime=2"), (MAGNITUDE, "EchoTime=12"), (MAGNITUDE, "EchoTime=5"), (PHASE, "EchoTime=1")], 2),
    ],
)
def test_the_magnitude_then_the_original_then_the_first_echo_stands_for_a_series(volumes, chosen):
    assert chosen == choose([stated(labels) for labels in volumes])


@pytest.mark.parametrize(
    ("volumes", "detail"),
    [
        ([(f"Repetition={n}",) for n in range(24)], "24 volumes in time"),
        ([(f"TriggerTime={n}",) for n in range(20)], "20 volumes in time"),
        (
            [("DiffusionBValue=0",), ("DiffusionBValue=1000", "DiffusionGradientOrientation=1\\0\\0")],
            "2 volumes by diffusion weighting",
        ),
        ([("InversionTime=900",), ("InversionTime=2750",)], "2 volumes by inversion time"),
        ([("Stack=1",), ("Stack=2",), ("Stack=3",)], "3 volumes in different places"),
        (
            [(f"DiffusionBValue={b}", f"Repetition={n}") for b in (0, 700) for n in (1, 2)],
            "4 volumes by diffusion weighting and in time",
        ),
        ([("ImageType=ORIGINAL\\A",), ("ImageType=ORIGINAL\\B",)], "2 volumes of different image types"),
        ([(MAGNITUDE, "Repetition=1"), (MAGNITUDE, "Repetition=2"), (PHASE,)],
         "2 volumes in time"),
        ([(f"EchoTime={e}", f"Repetition={n}") for e in (3, 5) for n in range(9)],
         "9 volumes in time"),
    ],
)  # fmt: skip
def test_volumes_none_of_which_stands_for_the_series_are_refused_by_how_they_differ(volumes, detail):
    with pytest.raises(NotAssessable) as caught:
        choose([stated(labels) for labels in volumes])

    assert (Reason.SEVERAL, detail) == (caught.value.reason, caught.value.detail)


@pytest.mark.parametrize(
    ("volumes", "chosen"),
    [
        ([()], (0,)),
        ([(f"TriggerTime={n}",) for n in range(20)], tuple(range(20))),
        ([(MAGNITUDE, "Repetition=1"), (PHASE, "Repetition=1"), (MAGNITUDE, "Repetition=2")], (0, 2)),
        ([(f"EchoTime={e}", f"Repetition={n}") for e in (5, 3) for n in range(3)], (3, 4, 5)),
        ([(f"DiffusionBValue={b}",) for b in (0, 1000)], (0, 1)),
    ],
)
def test_all_volumes_of_one_kind_are_one_image_in_time(volumes, chosen):
    assert chosen == choose_all([stated(labels) for labels in volumes])


def test_volumes_in_different_places_are_no_image_in_time():
    with pytest.raises(NotAssessable, match="2 volumes in different places") as caught:
        choose_all([stated(labels) for labels in ([f"Stack={n}"] for n in (1, 2))])

    assert Reason.SEVERAL is caught.value.reason
