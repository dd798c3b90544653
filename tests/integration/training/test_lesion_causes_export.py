"""python -m export.lesion_causes: a whole bundle whose golden FLAIR gives its numbers, and nothing else is changed."""

import pytest
from builders.images.judged_flair import write_table

from daemon.config import optional_bundles
from daemon.edge.engines import OnnxRuntimeSettings, engine_maker
from daemon.line.examination import check_golden, load_examiner
from export.lesion_causes import EVIDENT, main
from models.bundle import load_bundle
from models.findings import Evidence
from models.methods.lesions import ARTEFACT
from training.harm.presence_tables import NAMES

pytestmark = pytest.mark.skipif("brain-wmh" not in optional_bundles(), reason="no bundle of lesions ships yet")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder, old = tmp_path_factory.mktemp("made"), optional_bundles()["brain-wmh"]
    table, out = write_table(folder / "images.csv"), folder / "brain-wmh"
    given = {"bundle": old, "table": table, "out": out, "version": "9", "source": "heads of a test"}
    main([word for name, value in given.items() for word in (f"--{name}", str(value))])
    return load_bundle(old), load_bundle(out)


def test_the_golden_flair_gives_the_numbers_of_the_new_bundle(made, tmp_path):
    _, new = made
    examiner = load_examiner(new.folder, engine_maker(OnnxRuntimeSettings(), tmp_path))

    check_golden(examiner)
    assert ARTEFACT in new.manifest.golden.expected


def test_a_bundle_that_learnt_causes_asks_for_a_rescan_by_the_image_alone(made):
    manifest = made[1].manifest

    assert ("9", NAMES) == (manifest.version, tuple(manifest.causes))
    assert [ARTEFACT] == [name for name, entry in manifest.signals.items() if entry.evidence is Evidence.IMAGE]
    assert EVIDENT == manifest.thresholds.evident


def test_clean_images_are_the_reference_and_what_there_was_stays(made):
    old, new = (one.manifest for one in made)
    artefact = new.references[0].scores[ARTEFACT]

    assert 48 == len(artefact)
    assert list(artefact) == sorted(artefact)
    assert 0 <= artefact[0] <= artefact[-1] < 0.5
    assert old.references[0].scores["entropy"] == new.references[0].scores["entropy"]
    assert {name: digest for name, digest in old.files.items() if name.endswith("onnx")} == {
        name: digest for name, digest in new.files.items() if name.endswith("onnx")
    }


def test_the_images_are_named_once_however_often_causes_are_learnt(made):
    said = [*made[1].manifest.training.data, *(reference.source for reference in made[1].manifest.references)]

    assert 2 == sum("heads of a test" in one for one in said)
    assert 2 == sum("heads" in one and "images of" in one for one in said)
