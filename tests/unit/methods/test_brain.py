"""The brain method: what it makes of a prediction, and which bundles it takes."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from builders.judging.values import brain, examined, prediction, shipped

from models.brain.familiarity import DISTANCES
from models.bundle import BundleError
from models.findings import Lack, NotThis
from models.manifest import Reference
from models.methods.registry import method_of
from models.physics.artefacts import ARTEFACTS, Artefact
from models.physics.spectrum import feature_names
from models.statistics.presence import Presence


def against(**scores):
    """Manifest changes: references of these scores alone."""
    return {"references": (Reference(source="test", scores=scores),)}


def test_an_artefacts_part_has_the_limit_of_the_total():
    found = examined(prediction(), **against(uncertainty=tuple(float(i) for i in range(199)), entropy=(0.0,) * 199))
    parts = [found.measure(name) for name in (*ARTEFACTS, "uncertainty")]

    assert {found.rank.limit} == {measure.limit for measure in parts} != {None}
    assert {1.0} == {measure.p_value for measure in parts}
    assert (None, None) == (found.measure("task").limit, found.measure("task").p_value)


def test_variances_count_within_the_judged_tissue_and_its_rim_only():
    inside, outside = prediction(), prediction()
    inside.variances[Artefact.NOISE][4, 4, 4] = 7.0
    outside.variances[Artefact.NOISE][0, 0, 0] = 7.0

    assert examined(inside).measure("noise").value == pytest.approx(1.0)
    assert examined(outside).measure("noise").value == 0.0


def test_volumes_are_sums_of_probability_in_millilitres():
    found = {one.name: one.volume_ml for one in examined(prediction()).structures}

    assert found["grey matter"] == pytest.approx(1 * 8 / 1000)
    assert ["CSF", "grey matter", "white matter"] == list(found)
    assert np.isnan(examined(prediction()).measure("snr").value)


def test_distances_are_compared_with_the_known_heads_of_the_bundle():
    far = dict.fromkeys(DISTANCES, (0.0,) * 99)
    near = dict.fromkeys(DISTANCES, (1e9,) * 99)

    for scores, abnormal in ((far, True), (near, False)):
        found = examined(prediction(), known=Reference(source="heads", scores=scores))
        assert {abnormal} == {found.measure(name).abnormal for name in DISTANCES}


def test_volumes_come_with_the_interval_of_their_samples_widened_by_the_bundles_margin():
    samples = np.tile(np.linspace(500, 600, 21, dtype=np.float32)[:, None], (1, 4))
    drawn = replace(prediction(), volume_samples_ml=samples)

    def interval(**margins):
        found = examined(drawn, settings={"interval_margins": margins}).structures
        return next(one.interval_ml for one in found if one.name == "grey matter")

    assert (505.0, 595.0) == pytest.approx(interval())
    assert (505 - 0.5 * 95.5, 595 + 0.5 * 95.5) == pytest.approx(interval(**{"grey matter": 0.5}))


def by_the_level(**logits):
    """A presence whose logits are so many times the darkest level of the image, and -9 where that is 0."""
    told = Presence(
        names=("level_2",),
        floors=(0.0,),
        centre=(0.0,),
        spread=(1.0,),
        causes=tuple(ARTEFACTS),
        weights=tuple((logits.get(name, 0.0),) for name in ARTEFACTS),
        offsets=(-9.0,) * len(ARTEFACTS),
    )
    return {"presence": asdict(told)}


def with_level(value):
    """A prediction of an image whose darkest level is this, and whose graph is sure of noise."""
    features = np.zeros(len(feature_names()), np.float32)
    features[feature_names().index("level_2")] = value
    return replace(prediction(), features=features, causes=dict.fromkeys(ARTEFACTS, 0.0) | {Artefact.NOISE: 0.99})


def test_causes_are_told_by_the_spectrum_where_a_regression_was_fitted_and_by_the_graph_where_none_was():
    found = examined(with_level(2.0), settings=by_the_level(wrap=6.0, motion=6.0))
    by_graph = examined(with_level(2.0), settings={"presence": None})
    odds = np.exp(2 * 6.0 - 9)

    assert tuple(ARTEFACTS) == tuple(found.presence)
    assert odds / (1 + 2 * odds) == pytest.approx(found.presence["wrap"], rel=1e-3)
    assert 2 * odds / (1 + 2 * odds) == pytest.approx(found.shown, rel=1e-3)
    assert found.presence["noise"] < 0.01
    assert 0.99 == pytest.approx(by_graph.presence["noise"]) == pytest.approx(by_graph.shown)


def test_more_tissue_than_any_brain_has_is_no_head_unless_an_artefact_is_plain():
    """Plain to what tells the causes, any of them, whatever the graph says."""
    settings = {"most_tissue_ml": 0.001, **by_the_level(spike=9.0, noise=9.0)}
    with pytest.raises(NotThis, match="mL of tissue") as caught:
        examined(with_level(0.0), settings=settings)

    assert Lack.NOT_FOUND is caught.value.lack
    assert examined(with_level(3.0), settings=settings).measures
    assert examined(with_level(0.0), settings={**settings, "presence": None}).measures


def test_less_than_a_brain_is_shown_with_the_whole_image():
    small, head = prediction(), replace(prediction(), affine=np.diag([200.0, 200.0, 200.0, 1.0]))
    method = brain(settings={"most_tissue_ml": float("inf")})
    shown = [method.findings_of(one, method_image(one)).view.region.any() for one in (small, head)]

    assert [False, True] == shown


def method_image(found):
    return type("Image", (), {"still": found.image, "affine": found.affine, "facts": {}})()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"features": shipped().manifest.settings["features"][::-1]}, "features are not those"),
        ({"features": shipped().manifest.settings["features"][1:]}, "features are not those"),
        ({"artefacts": [*ARTEFACTS][::-1]}, "artefacts are not noise, spike"),
        ({"labels": ["background", "liver", "spleen", "kidney"]}, "labels lack CSF, grey matter"),
        ({"labels": ["background", "grey matter", "CSF", "white matter"]}, "structures are not the labels"),
        ({"grid": {"spacing_mm": "wide"}}, "spacing_mm"),
        ({"presence": {**by_the_level()["presence"], "names": ["loudness"]}}, "presence reads: loudness"),
        ({"presence": {**by_the_level()["presence"], "causes": [*[*ARTEFACTS][:4], "fire"]}}, "its presence tells"),
        ({"surprise": 1}, "surprise"),
        ({"familiarity": "elsewhere.npz"}, "not among the files"),
    ],
)
def test_a_bundle_whose_axes_are_others_is_refused_by_name(settings, said):
    with pytest.raises(BundleError, match=said):
        brain(settings)


def test_a_bundle_with_other_signals_causes_or_graphs_is_refused_by_name():
    whole = shipped().manifest
    judge = whole.graphs["judge"]
    for change, said in (
        ({"signals": {name: one for name, one in whole.signals.items() if name != "task"}}, "signals task"),
        ({"causes": {}}, "causes are not"),
        ({"inputs": {"t1": whole.inputs["image"]}}, "inputs are not image"),
        ({"graphs": {"judge": judge}}, "graphs are not"),
        ({"graphs": whole.graphs | {"judge": replace(judge, outputs=judge.outputs[:-1])}}, "graphs are not"),
    ):
        with pytest.raises(BundleError, match=said):
            brain(**change)


def test_a_method_that_is_not_known_is_named():
    with pytest.raises(BundleError, match="asks for the method 'liver': update"):
        method_of(replace(shipped(), manifest=replace(shipped().manifest, method="liver")))
