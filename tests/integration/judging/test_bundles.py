"""Several bundles at once: each is loaded when a series first needs it, and signs what it judged."""

import json
import re
import shutil
from copy import deepcopy
from dataclasses import replace
from io import BytesIO
from types import SimpleNamespace

import pytest
from builders.images.series import encoded
from builders.judging.judging import ALGORITHM, series_of
from builders.running.daemon import golden_datasets, write_files
from pydicom import dcmread

from daemon.commands.assess import appraise
from daemon.config import Settings, load_settings, shipped_bundles
from daemon.core.errors import NotAssessable, Reason
from daemon.core.judging.routing import find_route
from daemon.core.people.words import Language
from daemon.core.sending.delivery import JUDGED
from daemon.core.values import State
from daemon.dicom.content import InMemory
from daemon.dicom.reading.facts import facts_of
from daemon.dicom.reading.volumes import arrange
from daemon.edge.engines import engine_maker
from daemon.edge.files.bundle_words import read_translation
from daemon.line.appraisal import Appraiser, Judge
from daemon.line.examination import Examiners
from daemon.line.judgement import SeriesJudge
from daemon.line.selection import BYTES_MAX
from daemon.routes import all_routes
from models.bundle import BundleError, read_manifest

MAKE = engine_maker(Settings().engine, Settings().compiled)
BRAIN = shipped_bundles()["brain-t1"]

MANIFEST = read_manifest(Settings().bundle_folders["brain-t1"])


@pytest.fixture
def site(tmp_path):
    """A configuration in which a second bundle judges what MR2 sends, and a third what MR3 does."""
    shutil.copytree(BRAIN, tmp_path / "second")
    shutil.copytree(BRAIN, tmp_path / "third")
    (tmp_path / "third" / "judge.onnx").write_bytes(b"damaged")
    routes = "".join(
        f'[[routing.routes]]\nname = "{name} head"\nbundle = "{name}"\nwhen = {{ CallingAE = "{scanner}" }}\n'
        for name, scanner in (("second", "MR2"), ("third", "MR3"))
    )
    config = tmp_path / "scanside.toml"
    config.write_text(
        f'storage = "{tmp_path}"\n[bundles]\nsecond = "{tmp_path}/second"\nthird = "{tmp_path}/third"\n{routes}'
    )
    return config


def head(folder):
    write_files(folder, golden_datasets())
    return folder


def changed(folder, change):
    """A bundle beside the shipped one whose manifest was changed."""
    content = json.loads((folder / "manifest.json").read_text())
    change(content)
    (folder / "manifest.json").write_text(json.dumps(content))


def test_a_bundle_is_loaded_once(site):
    examiners = Examiners(load_settings(site).bundle_folders, MAKE)

    assert examiners.get("second") is examiners.get("second")


def test_a_second_bundle_that_is_damaged_stops_the_start_and_every_command(site, tmp_path):
    settings = load_settings(site)
    with pytest.raises(BundleError, match=r"judge\.onnx"):
        Examiners(settings.bundle_folders, MAKE).prepare()
    with pytest.raises(BundleError, match=r"judge\.onnx"):
        appraise(head(tmp_path / "head"), settings, "MR1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda m: m["golden"]["expected"].update(task=9.0),
            "golden test.*task of brain-t1 is 1.1.*maker got 9",
        ),
        (lambda m: m["golden"]["expected"].update(CSF=1.0), "golden test failed.*CSF"),
        (lambda m: m["settings"].update(features=m["settings"]["features"][::-1]), "features"),
        (lambda m: m["settings"].update(artefacts=m["settings"]["artefacts"][::-1]), "artefacts"),
        (lambda m: m["settings"].update(labels=["air", "liver", "spleen", "kidney"]), "labels lack"),
        (lambda m: m["graphs"]["judge"]["outputs"].pop(), "output entropy besides"),
        (lambda m: m["graphs"]["judge"]["inputs"][0].update(dims=[1, 2, 96, 112, 96]), "image.*declared"),
        (lambda m: m["graphs"]["judge"]["outputs"][2].update(dtype="int64"), "causes.*declared"),
        (lambda m: m.update(method="liver"), "method 'liver'"),
        (lambda m: m["inputs"].update(flair=m["inputs"]["image"]), "golden.images"),
    ],
)
def test_a_second_bundle_that_is_wrong_stops_the_start_by_name(tmp_path, change, said):
    shutil.copytree(BRAIN, tmp_path / "second")
    changed(tmp_path / "second", change)
    with pytest.raises(BundleError, match=said):
        Examiners({"second": tmp_path / "second"}, MAKE).prepare()


def test_a_site_starts_without_any_of_the_shipped_bundles(tmp_path):
    shutil.copytree(BRAIN, tmp_path / "ours")
    settings = Settings(shipped=False, bundles={"ours": tmp_path / "ours"})
    (examiner,) = Examiners(settings.bundle_folders, MAKE).prepare()

    assert tmp_path / "ours" == examiner.bundle.folder
    assert "ours" == next(route.bundle for route in all_routes(settings) if route.judges)


def test_the_scanner_decides_which_bundle_judges(site, tmp_path):
    """Of two bundles, both installed; the third is taken out."""
    site.write_text(re.sub(r"third = .*", "", site.read_text()).partition('[[routing.routes]]\nname = "third')[0])
    settings = load_settings(site)
    folder, read = head(tmp_path / "head"), all_routes(settings)

    for scanner, bundle in (("MR2", "second"), ("MR1", "brain-t1")):
        facts = facts_of(arrange(golden_datasets())[0], 1, scanner)
        assert bundle == find_route(read, facts).bundle
    assert State.ACCEPT is appraise(folder, settings, "MR2").verdict.state


def test_a_verdict_names_the_bundle_that_gave_it(site):
    settings = load_settings(site)
    examiners = Examiners(settings.bundle_folders, MAKE)

    def find(name):
        examiner = examiners.get(name)
        algorithm = replace(ALGORITHM, bundle=name, bundle_digest=f"digest of {name}")
        return Judge(examiner=examiner, algorithm=algorithm, choose_standard=lambda _: None)

    series, read = series_of(golden_datasets(), "MR2")
    answer = SeriesJudge(Appraiser(find, ALGORITHM, all_routes(settings)), read, "here").judge(series, None)

    assert (State.ACCEPT, "digest of second") == (answer.verdict.state, answer.bundle)
    assert 2 == len(answer.objects)


def test_what_no_route_takes_is_answered_with_its_reason_and_its_protocol(site):
    datasets = [as_localizer(dataset) for dataset in golden_datasets()]
    series, read = series_of(datasets, "MR1")
    judged = SeriesJudge(Appraiser(pytest.fail, ALGORITHM, all_routes(load_settings(site))), read, "here").judge(
        series, None
    )

    assert ("no model for this series: a localizer",) == judged.verdict.reasons
    assert "a localizer" in judged.verdict.action
    assert "golden head" == judged.description


@pytest.mark.parametrize(("reported", "objects"), [(JUDGED, 0), ((*JUDGED, State.NOT_ASSESSED), 2)])
def test_of_what_its_header_refuses_a_report_and_a_picture_are_made_only_if_somebody_wants_them(
    site, reported, objects
):
    series, read = series_of([as_localizer(dataset) for dataset in golden_datasets()], "MR1")
    judge = SeriesJudge(Appraiser(pytest.fail, ALGORITHM, all_routes(load_settings(site))), read, "here")
    judged = judge.judge(series, None, reported=reported)

    assert (objects, bool(objects)) == (len(judged.objects), bool(judged.picture))
    assert State.NOT_ASSESSED is judged.verdict.state


def test_all_that_a_german_site_is_told_of_a_series_is_german_and_the_recorded_verdict_is_not(site):
    german = read_translation(Language.GERMAN, shipped_bundles().values())
    series, read = series_of([as_localizer(dataset) for dataset in golden_datasets()], "MR1")
    appraiser = Appraiser(pytest.fail, ALGORITHM, all_routes(load_settings(site)))
    here, abroad = (SeriesJudge(appraiser, read, "here", *one).judge(series, None) for one in ((german,), ()))
    summary, report = (dcmread(BytesIO(one.payload)) for one in here.objects)

    assert here.verdict == abroad.verdict
    assert "NICHT BEURTEILT. Nicht beurteilt: kein Modell" in summary.ImageComments
    assert report.ContentSequence[-1].ContentSequence[0].TextValue.startswith("NICHT BEURTEILT: Nicht beurteilt: kein")
    assert here.picture != abroad.picture


def test_what_was_read_but_not_judged_has_a_picture_for_the_page(site):
    def find(_):
        def examine(*_, **__):
            raise NotAssessable(Reason.NOT_FOUND)

        examiner = SimpleNamespace(examine=examine, bundle=SimpleNamespace(manifest=MANIFEST))
        return Judge(examiner=examiner, algorithm=ALGORITHM, choose_standard=lambda _: None)

    series, read = series_of(golden_datasets(), "MR1")
    judged = SeriesJudge(Appraiser(find, ALGORITHM, all_routes(load_settings(site))), read, "here").judge(
        series, None, reported=JUDGED
    )

    assert ((), Reason.NOT_FOUND) == (judged.objects, judged.verdict.not_assessed)
    assert judged.picture.startswith(b"\x89PNG")


def test_a_series_that_would_fill_the_memory_is_refused_before_it_is_read(site):
    series, _ = series_of(golden_datasets()[:3], "MR1")
    large = [replace(one, arrival=replace(one.arrival, length=BYTES_MAX // 2)) for one in series.instances]

    def read(arrival):
        assert arrival is large[0].arrival, "only a header, for the report"
        return InMemory(encoded(golden_datasets()[0]))

    judge = SeriesJudge(Appraiser(pytest.fail, ALGORITHM, all_routes(load_settings(site))), read, "here")
    judged = judge.judge(replace(series, instances=tuple(large)), None)

    assert ("volume too large: 3 objects of 3.2 GB",) == judged.verdict.reasons


def test_each_bundle_has_references_of_its_own(site):
    settings = load_settings(site)

    assert "references-brain-t1.json" == settings.references_of("brain-t1").name
    assert "references-second.json" == settings.references_of("second").name


def as_localizer(dataset):
    made = deepcopy(dataset)  # pydicom's own copy shares its elements
    made.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    return made
