"""Several bundles at once: each is loaded when a series first needs it, and signs what it judged."""

import shutil
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import pytest
from builders_daemon import golden_datasets, write_files
from builders_judging import ALGORITHM, series_of
from builders_series import encoded

from daemon.commands.assess import appraise
from daemon.config import Settings, load_settings, shipped_bundle
from daemon.core.delivery import JUDGED
from daemon.core.errors import NotAssessable, Reason
from daemon.core.values import State
from daemon.dicom.content import InMemory
from daemon.edge.engines import engine_maker
from daemon.examination import Examiners
from daemon.judgement import Judge, SeriesJudge
from daemon.selection import BYTES_MAX
from models.bundle import BundleError

MAKE = engine_maker(Settings().engine, Settings().compiled)


@pytest.fixture
def site(tmp_path):
    """A configuration in which a second bundle judges what MR2 sends, and a third what MR3 does."""
    shutil.copytree(shipped_bundle(), tmp_path / "second")
    shutil.copytree(shipped_bundle(), tmp_path / "third")
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


def test_a_bundle_is_loaded_when_it_is_first_needed_and_once(site):
    examiners = Examiners(load_settings(site).bundle_folders, MAKE, proven=False)

    assert examiners.get("second") is examiners.get("second")
    with pytest.raises(BundleError):
        examiners.get("third")
    with pytest.raises(BundleError):
        examiners.prepare("second")


def test_the_scanner_decides_which_bundle_judges(site, tmp_path, monkeypatch):
    asked = []
    get = Examiners.get
    monkeypatch.setattr(Examiners, "get", lambda self, name: asked.append(name) or get(self, name))
    folder = head(tmp_path / "head")
    found = appraise(folder, load_settings(site), "MR2")

    assert (["second"], State.ACCEPT) == (asked, found.verdict.state)
    with pytest.raises(BundleError):
        appraise(folder, load_settings(site), "MR3")


def test_a_verdict_names_the_bundle_that_gave_it_and_a_broken_one_still_gets_an_answer(site):
    settings = load_settings(site)
    examiners = Examiners(settings.bundle_folders, MAKE, proven=False)

    def find(name):
        examiner = examiners.get(name)
        algorithm = replace(ALGORITHM, bundle=name, bundle_digest=f"digest of {name}")
        return Judge(examiner=examiner, algorithm=algorithm, choose_standard=lambda _: None)

    answers = {}
    for scanner in ("MR2", "MR3"):
        series, read = series_of(golden_datasets(), scanner)
        answers[scanner] = SeriesJudge(find, ALGORITHM, settings.routes, read, "here").judge(series, None)

    assert (State.ACCEPT, "digest of second") == (answers["MR2"].verdict.state, answers["MR2"].bundle)
    assert (State.NOT_ASSESSED, "d") == (answers["MR3"].verdict.state, answers["MR3"].bundle)
    assert all(len(answer.objects) == 2 for answer in answers.values())


def test_what_no_route_takes_is_answered_with_its_reason_and_its_protocol(site):
    datasets = [replace_sequence(dataset) for dataset in golden_datasets()]
    series, read = series_of(datasets, "MR1")
    judged = SeriesJudge(pytest.fail, ALGORITHM, load_settings(site).routes, read, "here").judge(series, None)

    assert ("no model for this series: echo-planar images",) == judged.verdict.reasons
    assert "echo-planar images" in judged.verdict.action
    assert "golden head" == judged.description


@pytest.mark.parametrize(("reported", "objects"), [(JUDGED, 0), ((*JUDGED, State.NOT_ASSESSED), 2)])
def test_of_what_its_header_refuses_a_report_and_a_picture_are_made_only_if_somebody_wants_them(
    site, reported, objects
):
    series, read = series_of([replace_sequence(dataset) for dataset in golden_datasets()], "MR1")
    judge = SeriesJudge(pytest.fail, ALGORITHM, load_settings(site).routes, read, "here")
    judged = judge.judge(series, None, reported=reported)

    assert (objects, bool(objects)) == (len(judged.objects), bool(judged.picture))
    assert State.NOT_ASSESSED is judged.verdict.state


def test_what_was_read_but_not_judged_has_a_picture_for_the_page(site):
    def find(_):
        def examine(*_):
            raise NotAssessable(Reason.NO_HEAD)

        examiner = SimpleNamespace(examine=examine)
        return Judge(examiner=examiner, algorithm=ALGORITHM, choose_standard=lambda _: None)

    series, read = series_of(golden_datasets(), "MR1")
    judged = SeriesJudge(find, ALGORITHM, load_settings(site).routes, read, "here").judge(series, None, reported=JUDGED)

    assert ((), Reason.NO_HEAD) == (judged.objects, judged.verdict.not_assessed)
    assert judged.picture.startswith(b"\x89PNG")


def test_a_series_that_would_fill_the_memory_is_refused_before_it_is_read(site):
    series, _ = series_of(golden_datasets()[:3], "MR1")
    large = [replace(one, arrival=replace(one.arrival, length=BYTES_MAX // 2)) for one in series.instances]

    def read(arrival):
        assert arrival is large[0].arrival, "only a header, for the report"
        return InMemory(encoded(golden_datasets()[0]))

    judge = SeriesJudge(pytest.fail, ALGORITHM, load_settings(site).routes, read, "here")
    judged = judge.judge(replace(series, instances=tuple(large)), None)

    assert ("volume too large: 3 objects of 3.2 GB",) == judged.verdict.reasons


def test_each_bundle_has_references_of_its_own(site):
    settings = load_settings(site)

    assert "references.json" == settings.references.name
    assert "references-second.json" == settings.references_of("second").name


def replace_sequence(dataset):
    made = deepcopy(dataset)  # pydicom's own copy shares its elements
    made.ScanningSequence = "EP"
    return made
