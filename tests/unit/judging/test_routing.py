"""Which bundle a series gets: the first route whose conditions hold, and what is said of routes that cannot be."""

import json
import shutil
from dataclasses import replace
from importlib.resources import files

import pytest
from builders.images.series import Lattice, classic, enhanced
from hypothesis import given
from hypothesis import strategies as st

from daemon.config import Settings, default_routes, load_settings, shipped_bundles
from daemon.core.errors import ConfigError, NotAssessable, Reason
from daemon.core.judging.routing import Condition, Route, faults, find_route, try_routes
from daemon.dicom.reading.facts import facts_of
from daemon.dicom.reading.volumes import arrange
from daemon.line.selection import consider, select
from daemon.routes import all_routes
from models.bundle import BundleError, read_manifest, write_manifest

BRAIN = shipped_bundles()["brain-t1"]
#: Of one bundle alone: what it refuses, another may take.
ROUTES = all_routes(Settings(shipped=False, bundles={"brain-t1": BRAIN}))
LATTICE = Lattice(slices=12, spacing=(1.0, 1.0, 1.2))
MPRAGE = {
    "ImageType": ["ORIGINAL", "PRIMARY", "M"],
    "BodyPartExamined": "BRAIN",
    "ScanningSequence": ["GR", "IR"],
    "SequenceVariant": ["SP", "MP"],
    "EchoTime": 2.98,
    "RepetitionTime": 2300,
    "InversionTime": 900,
}
SPIN_ECHO = MPRAGE | {"ScanningSequence": "SE", "EchoTime": 12, "RepetitionTime": 600, "InversionTime": None}


def outlook(**header):
    stated = {name: value for name, value in header.items() if value is not None}
    return consider(arrange(classic(LATTICE, **stated)), ROUTES)


def route(name, bundle="b", **when):
    return Route(name=name, when={fact: Condition(**condition) for fact, condition in when.items()}, bundle=bundle)


@pytest.mark.parametrize(
    "header",
    [
        MPRAGE,
        SPIN_ECHO,
        {},
        {"ImageType": ["DERIVED", "SECONDARY"]},
        MPRAGE | {"DiffusionBValue": 0.0},
        MPRAGE | {"ScanningSequence": "GR", "SequenceVariant": ["SS", "SP", "SK"]},
        MPRAGE | {"BodyPartExamined": "HEADNECK"},
    ],
)
def test_t1_weighted_heads_go_to_the_brain_bundle(header):
    found = outlook(**header)

    assert found.refusal is None
    assert "brain-t1" == found.route.bundle


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (MPRAGE | {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a localizer"),
        (MPRAGE | {"ProtocolName": "AAHead_Scout_64ch"}, "a localizer"),
        (MPRAGE | {"SeriesDescription": "3-pl T2* FGRE"}, "a localizer"),
        (MPRAGE | {"SeriesDescription": "3Plane Loc SSFSE"}, "a localizer"),
        (MPRAGE | {"ProtocolName": "LOC"}, "a localizer"),
        (MPRAGE | {"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "images computed from others"),
        (MPRAGE | {"ImageType": ["DERIVED", "PRIMARY", "T1 MAP"]}, "images computed from others"),
        (MPRAGE | {"ImageType": ["ORIGINAL", "PRIMARY", "P"]}, "phase, real or imaginary images"),
        (MPRAGE | {"BodyPartExamined": "KNEE"}, "another body part than the head"),
        (MPRAGE | {"DiffusionBValue": 1000.0}, "diffusion images"),
        (MPRAGE | {"ScanningSequence": ["EP", "GR"]}, "echo-planar images"),
        (MPRAGE | {"AngioFlag": "Y"}, "angiography"),
        (MPRAGE | {"ScanningSequence": "GR", "SequenceVariant": "SS"}, "another contrast than T1"),
        (MPRAGE | {"ScanningSequence": "GR", "EchoTime": 20}, "another contrast than T1"),
        (MPRAGE | {"ScanningSequence": ["SE", "IR"], "InversionTime": 150}, "another contrast than T1"),
        (
            MPRAGE | {"ScanningSequence": ["SE", "IR"], "InversionTime": 2500, "EchoTime": 120},
            "another contrast than T1",
        ),
        (SPIN_ECHO | {"RepetitionTime": 4000}, "another contrast than T1"),
        (SPIN_ECHO | {"EchoTime": 100, "RepetitionTime": 4000}, "another contrast than T1"),
        ({"EchoTime": 90}, "another contrast than T1"),
    ],
)
def test_everything_else_is_answered_with_its_reason(header, why):
    refusal = outlook(**header).refusal

    assert (Reason.UNROUTED, why) == (refusal.reason, refusal.detail)


#: AutoAlign's scout as Siemens sends it, without a word that says so.
SCOUT = {
    "ImageType": ["ORIGINAL", "PRIMARY", "M", "NORM", "DIS3D", "MFSPLIT"],
    "ScanningSequence": "GR",
    "SequenceVariant": "SP",
    "RepetitionTime": 3.15,
    "EchoTime": 1.37,
}
COARSE = replace(LATTICE, spacing=(1.6, 1.6, 1.6))


def test_a_scout_is_known_by_its_speed():
    refusal = consider(arrange(classic(COARSE, **SCOUT)), ROUTES).refusal

    assert "a localizer, or as fast as one" == refusal.detail


@pytest.mark.parametrize(
    "header",
    [
        {"RepetitionTime": 5.5, "EchoTime": 1.7},  # SPGR at 1.5 T
        {"RepetitionTime": 6.5, "EchoTime": 2.9},  # the repetition that Philips states of its MPRAGE
        {"RepetitionTime": 3.3, "EchoTime": 0.07, "InversionTime": 1300},  # PETRA
        {"RepetitionTime": 2300, "EchoTime": 1.4, "InversionTime": 900},
        {"RepetitionTime": 3.3, "EchoTime": 1.5, "ScanningSequence": ["GR", "IR"]},
        {"ProtocolName": "t1_block_velocity", "SeriesDescription": "locked"},
    ],
)
def test_no_fast_head_is_taken_for_a_scout(header):
    found = consider(arrange(classic(COARSE, **SCOUT | {"RepetitionTime": 8, "EchoTime": 3} | header)), ROUTES)

    assert "brain-t1" == found.route.bundle


#: Terms of PS3.16, annex L, as highdicom has them, that lie in the head.
IN_THE_HEAD = """
3RDVENTRICLE 4THVENTRICLE ACA ANTCOMMA BASILARA BRAIN CEREBELLUM CEREBHEMISPHERE CEREBRALA CHEEK CHOROIDPLEXUS
CIRCLEOFWILLIS CORNEA EAC EAR ENDONASAL ENDONASOPHARYNYX EYE EYELID FACE FACIALA FONTANEL HEAD HEADNECK IAC
INTRACRANIAL JAW LACRIMALA LATVENTRICLE LINGUALA MANDIBLE MASTOID MAXILLA MCA MOUTH NASOPHARYNX NOSE OCCIPTALV
OCCPITALA OPHTHALMICA OPTICCANAL ORBIT PAROTID PCA POSCOMMA SCALP SCLERA SELLA SKULL THALAMUS TMJ TONGUE
ZYGOMA
"""


def test_of_the_standards_body_parts_those_in_the_head_are_judged():
    terms = json.loads((files("highdicom") / "_standard" / "anatomic_regions.json").read_text())
    routes, facts = ROUTES, facts_of(arrange(classic(LATTICE, **MPRAGE))[0], 1)
    judged = {term for term in terms if find_route(routes, facts | {"BodyPartExamined": (term,)}).judges}

    assert set(IN_THE_HEAD.split()) == judged


def test_enhanced_images_are_routed_by_the_facts_that_they_state_otherwise():
    head = enhanced(LATTICE)
    head.EchoPulseSequence, head.InversionRecovery, head.MRAcquisitionType = "GRADIENT", "YES", "3D"
    facts = facts_of(arrange([head])[0], 1, "MR1")

    assert ("GR", "IR") == facts["ScanningSequence"]
    assert (4.5,) == facts["EchoTime"]
    assert (("MR1",), ("axial",), (12.0,)) == (facts["CallingAE"], facts["Plane"], facts["Slices"])
    head.EchoPlanarPulseSequence = "YES"
    assert "echo-planar images" == consider(arrange([head]), ROUTES).refusal.detail


def test_both_reasons_are_given_where_neither_route_nor_volume_fits():
    images = [
        image
        for n in range(3)
        for image in classic(LATTICE, uid=f"1.{n}", TemporalPositionIdentifier=n, ScanningSequence="EP")
    ]
    refusal = consider(arrange(images), ROUTES).refusal

    assert "echo-planar images; 3 volumes in time" == refusal.detail
    for image in images:
        image.ScanningSequence, image.EchoTime = "GR", 3
    refusal = consider(arrange(images), ROUTES).refusal
    assert (Reason.SEVERAL, "3 volumes in time") == (refusal.reason, refusal.detail)


def test_the_first_echo_of_a_series_is_the_one_that_is_judged():
    images = [
        image
        for n in range(3)
        for image in classic(LATTICE, uid=f"1.{n}", first=1000 * n, EchoTime=8.0 - 3 * n, ScanningSequence="GR")
    ]
    candidate = select(images, ROUTES)

    assert ("brain-t1", 2000.0, 2.0) == (
        candidate.bundle,
        candidate.image.still.min(),
        candidate.image.acquisition.echo_time_ms,
    )


def test_nothing_is_decoded_of_a_series_that_no_bundle_judges():
    images = classic(LATTICE, ScanningSequence="EP")
    for image in images:
        image.PixelData = b""
    with pytest.raises(NotAssessable) as caught:
        select(images, ROUTES)

    assert Reason.UNROUTED is caught.value.reason


def test_the_first_route_that_applies_wins():
    routes = (route("a", "one", Modality={"any": ("CT",)}), route("b", "two", Modality={"any": ("MR",)}), route("c"))

    assert "b" == find_route(routes, {"Modality": ("MR",)}).name
    assert [False, True, True] == [trial.applies for trial in try_routes(routes, {"Modality": ("MR",)})]
    assert "c" == find_route(routes, {"Modality": ("PT",)}).name
    assert find_route(routes[:2], {}) is None


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_range_holds_for_what_lies_within_and_silence_only_where_it_may(low, high, value):
    condition = Condition(min=low, max=high)

    assert (low <= value <= high) is condition.holds((value,))
    assert not condition.holds(())
    assert Condition(min=low, max=high, or_silent=True).holds(())


def test_words_match_by_pattern_whatever_their_case():
    assert Condition(any=("head*",)).holds(("HEADNECK",))
    assert not Condition(any=("head",)).holds(("HEADNECK",))
    assert not Condition(any=("*",)).holds(())
    assert not Condition(none=("EP",)).holds(("GR", "EP"))
    assert not Condition(none=("EP",)).holds(())


def test_the_routes_that_ship_have_no_fault():
    assert [] == list(faults(default_routes(), ()))
    assert len(ROUTES) > len(default_routes())


def test_a_sites_routes_come_first_and_may_be_the_only_ones(written, tmp_path):
    (tmp_path / "spine").mkdir()
    shutil.copy(shipped_bundles()["brain-t1"] / "manifest.json", tmp_path / "spine")
    text = """
    bundles = {{ spine = "{spine}" }}
    [routing]
    defaults = {defaults}
    [[routing.routes]]
    name = "our spines"
    bundle = "spine"
    when = {{ BodyPartExamined = "*SPINE", EchoTime = {{ max = 20 }}, CallingAE = ["MR1", "MR2"], Slices = 15 }}
    """
    alone = all_routes(load_settings(written(text.format(defaults="false", spine=tmp_path / "spine"))))
    both = (*alone, *ROUTES)
    facts = {"BodyPartExamined": ("LSPINE",), "EchoTime": (9.0,), "CallingAE": ("MR2",), "Slices": (15.0,)}

    assert 1 == len(alone)
    assert "spine" == find_route(both, facts).bundle
    assert "other body parts" == find_route(both, facts | {"Slices": (16.0,)}).name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wen = {}", "wen"),
        ("when = { EchoTim = 3 }", "'EchoTim' is no fact"),
        ("when = { EchoTime = { maximum = 3 } }", "maximum"),
        ('when = { EchoTime = "short" }', "EchoTime is a number"),
        ("when = { Modality = 3 }", "Modality is text"),
        ("when = { Modality = {} }", "Modality says nothing"),
        ("when = { Modality = [3] }", "write a word"),
        ('refuse = "x"', "write either bundle or refuse"),
        ("", "needs a condition that is no free text"),
        ('when = { SeriesDescription = "*t1*" }', "needs a condition that is no free text"),
        ('when = { Modality = "MR" }\n[[routing.routes]]\nname = "r"\nrefuse = "x"', "two routes are called 'r'"),
    ],
)
def test_what_is_wrong_with_a_route_is_named(written, text, said):
    with pytest.raises(ConfigError, match=said):
        load_settings(written(f'[[routing.routes]]\nname = "r"\nbundle = "brain-t1"\n{text}'))


def test_what_one_bundle_refuses_another_may_judge():
    routes = (
        Route(name="no heads", when={"BodyPartExamined": Condition(any=("HEAD",))}, bundle="heart", refuse="a head"),
        route("hearts", "heart", Modality={"any": ("MR",)}),
        Route(name="no hearts", when={"BodyPartExamined": Condition(any=("HEART",))}, bundle="brain", refuse="a heart"),
        route("heads", "brain", EchoTime={"max": 9.0}),
        Route(name="the rest", bundle="brain", refuse="another contrast"),
    )

    def found(part, echo=3.0):
        return find_route(routes, {"Modality": ("MR",), "BodyPartExamined": (part,), "EchoTime": (echo,)})

    assert ("heart", True) == (found("HEART").bundle, found("HEART").judges)
    assert ("brain", True) == (found("HEAD").bundle, found("HEAD").judges)
    assert ("a head; another contrast", False) == (found("HEAD", 99.0).refuse, found("HEAD", 99.0).judges)
    assert "no heads, the rest" == found("HEAD", 99.0).name


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"name": "odd", "when": {"EchoTim": 3}}, "'EchoTim' is no fact"),
        ({"name": "odd", "wen": {}}, "unknown key 'wen'"),
        ({"name": "odd", "when": {"SeriesDescription": "t1"}}, "no free text"),
    ],
)
def test_a_bundle_whose_routes_are_none_is_refused_by_name(tmp_path, content, said):
    manifest = read_manifest(shipped_bundles()["brain-t1"])
    inputs = {role: replace(entry, routes=(content,)) for role, entry in manifest.inputs.items()}
    write_manifest(tmp_path, replace(manifest, inputs=inputs))
    with pytest.raises(BundleError, match=f"second.*{said}"):
        all_routes(Settings(bundles={"second": tmp_path}))


def test_a_site_without_the_shipped_bundles_has_none_of_their_routes():
    alone = Settings(shipped=False)

    assert (default_routes(), {}) == (all_routes(alone), alone.bundle_folders)


def test_a_bundle_that_is_not_configured_is_named(written):
    with pytest.raises(ConfigError, match="bundle 'spine' is not configured, write one of any-mr, brain-t1"):
        load_settings(written('[[routing.routes]]\nname = "r"\nbundle = "spine"\nwhen = { Modality = "MR" }'))


def test_a_bundle_whose_name_is_a_path_is_refused(written):
    with pytest.raises(ConfigError, match=r"bundles\.\.\./x: no plain name"):
        load_settings(written('[bundles]\n"../x" = "/bundles/x"'))


def test_free_text_may_be_the_only_evidence_where_the_site_says_so(written):
    text = '[[routing.routes]]\nname = "r"\nbundle = "brain-t1"\nfree_text_alone = true\nwhen = {ProtocolName = "t1*"}'

    assert "r" == find_route(load_settings(written(text)).routes, {"ProtocolName": ("T1 head",)}).name


def test_another_route_is_another_configuration(written):
    changed = load_settings(written("[routing]\ndefaults = false"))

    assert load_settings(None).digest != changed.digest
