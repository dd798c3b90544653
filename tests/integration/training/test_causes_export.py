"""python -m export.causes: a whole bundle whose golden head gives its numbers, and nothing else is changed."""

import pytest
from builders.images.judged_flair import write_table

from daemon.config import optional_bundles, shipped_bundles
from daemon.edge.engines import OnnxRuntimeSettings, engine_maker
from daemon.line.examination import check_golden, load_examiner
from export.causes import EVIDENT, FARTHEST, main
from models.brain.scores import JUDGED
from models.bundle import load_bundle
from models.findings import Evidence
from models.methods.lesions import ARTEFACT
from training.harm.flair_images import TISSUE
from training.harm.presence_tables import NAMES

pytestmark = pytest.mark.skipif("brain-wmh" not in optional_bundles(), reason="no bundle of lesions ships yet")


def learnt(folder, name, tissue):
    """A shipped bundle, and the same with causes of a table."""
    old = (shipped_bundles() | optional_bundles())[name]
    table, out = write_table(folder / "images.csv", tissue=tissue), folder / name
    given = {"bundle": old, "table": table, "out": out, "version": "9", "source": "heads of a test"}
    main([word for option, value in given.items() for word in (f"--{option}", str(value))])
    return load_bundle(old), load_bundle(out)


@pytest.fixture(scope="module")
def lesions(tmp_path_factory):
    return learnt(tmp_path_factory.mktemp("lesions"), "brain-wmh", TISSUE)


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    return learnt(tmp_path_factory.mktemp("heads"), "brain-t1", JUDGED)


@pytest.fixture(params=["lesions", "heads"])
def made(request):
    return request.getfixturevalue(request.param)


def test_the_golden_head_gives_the_numbers_of_the_new_bundle(made, tmp_path):
    _, new = made
    check_golden(load_examiner(new.folder, engine_maker(OnnxRuntimeSettings(), tmp_path)))


def test_the_causes_are_told_by_the_table_and_shown_from_the_methods_own_limit_on(made):
    manifest = made[1].manifest

    assert ("9", NAMES) == (manifest.version, tuple(manifest.causes))
    assert list(NAMES) == list(manifest.settings["presence"]["causes"])
    assert EVIDENT[manifest.method] == manifest.thresholds.evident


def test_no_graph_is_changed_and_what_was_compared_stays(made):
    old, new = (one.manifest for one in made)

    assert old.references[0].scores["entropy"] == new.references[0].scores["entropy"]
    assert {name: digest for name, digest in old.files.items() if name.endswith("onnx")} == {
        name: digest for name, digest in new.files.items() if name.endswith("onnx")
    }


def test_heads_keep_every_file_and_all_that_they_said_in_other_languages(heads):
    old, new = heads
    kept = {path.relative_to(old.folder) for path in old.folder.rglob("*") if path.name != "manifest.json"}

    assert kept == {path.relative_to(new.folder) for path in new.folder.rglob("*") if path.name != "manifest.json"}
    assert any(path.name.startswith("words.") for path in kept)
    assert old.manifest.files == new.manifest.files
    assert FARTHEST == new.manifest.settings["farthest"]
    assert (old.manifest.signals, old.manifest.references) == (new.manifest.signals, new.manifest.references)


def test_lesions_that_learnt_causes_ask_for_a_rescan_by_the_image_alone(lesions):
    manifest = lesions[1].manifest

    assert ARTEFACT in manifest.golden.expected
    assert [ARTEFACT] == [name for name, entry in manifest.signals.items() if entry.evidence is Evidence.IMAGE]


def test_clean_images_are_the_reference_of_whether_any_shows(lesions):
    artefact = lesions[1].manifest.references[0].scores[ARTEFACT]

    assert 48 == len(artefact)
    assert list(artefact) == sorted(artefact)
    assert 0 <= artefact[0] <= artefact[-1] < 0.5


def test_the_images_are_named_once_however_often_causes_are_learnt(lesions, heads):
    """Both bundles had causes before."""
    for _, new in (lesions, heads):
        data = new.manifest.training.data
        assert 1 == sum("heads of a test" in one for one in data) == sum(one.startswith("the causes") for one in data)
    sources = [reference.source for reference in lesions[1].manifest.references]
    assert all(1 == source.count("images of") for source in sources)
