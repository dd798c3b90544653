"""What a task's bundle judged beside its protocol's past, too: by the daemon's line, with a real database."""

import shutil
from dataclasses import replace
from functools import partial
from itertools import count
from threading import Barrier

import numpy as np
import pytest
from builders.judging.judging import ALGORITHM, series_of
from builders.judging.toy import Toy, beating, series, write_bundle
from builders.running.database import closed, opened
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from validators import unexpected_dciodvfy, without_dicomdir

from daemon.config import Settings, shipped_bundles
from daemon.core.errors import SpoolError
from daemon.core.judging.rule import JudgementSettings
from daemon.core.judging.site_artefacts import SiteArtefacts
from daemon.core.people.history import numbers_of
from daemon.core.people.replay import replay
from daemon.core.values import State
from daemon.edge.database.answers import Answers
from daemon.edge.database.pasts import Pasts
from daemon.edge.database.results import Published, Results
from daemon.edge.database.trends.quality import Quality
from daemon.edge.engines import engine_maker
from daemon.edge.files.learnt import LearntOfSite
from daemon.line.appraisal import Appraiser, Judge
from daemon.line.examination import Examiner, Examiners
from daemon.line.judgement import SeriesJudge
from daemon.line.judges import choose_past
from daemon.routes import all_routes, own_past_bundle
from models.methods.registry import METHODS

LEARNT = 12


@pytest.fixture(autouse=True, scope="module")
def _known():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "toy", Toy)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory, _known):
    return write_bundle(tmp_path_factory.mktemp("toy") / "bundle")


def heart(seed, *, noise=1.0, **changes):
    """A heart of another person for each seed."""
    rng = np.random.default_rng(1000 + seed)
    image = beating(seed=seed, **changes)
    voxels = image.voxels * rng.uniform(0.97, 1.03) + rng.normal(0, noise, image.voxels.shape)
    return replace(image, voxels=np.abs(voxels).astype(np.float32))


_NAMES = count(ord("A"))


class Site:
    """A toy bundle for hearts beside the bundle that takes any image, and what it keeps."""

    def __init__(self, engine, folder, **judgement):
        settings = Settings(
            shipped=False,
            bundles={"hearts": folder, "any-mr": shipped_bundles()["any-mr"]},
            judgement=JudgementSettings(**judgement),
        )
        examiners = Examiners(settings.bundle_folders, engine_maker(settings.engine, folder))
        self.digests = {name: examiners.get(name).bundle.digest for name in settings.bundle_folders}
        self.manifests = {self.digests[name]: examiners.get(name).bundle.manifest for name in settings.bundle_folders}

        def find(name):
            bundle = examiners.get(name).bundle
            rescans = settings.judgement.rescans
            artefacts = LearntOfSite(folder / "nothing.json", SiteArtefacts, bundle)
            own_past = partial(choose_past, Pasts(engine), artefacts, bundle, rescans)
            choose = own_past if bundle.manifest.past else lambda _: None
            algorithm = replace(ALGORITHM, bundle=bundle.manifest.name, bundle_digest=bundle.digest)
            return Judge(examiner=examiners.get(name), algorithm=algorithm, choose_standard=choose)

        self._appraiser = Appraiser(find, ALGORITHM, all_routes(settings), own_past=own_past_bundle(settings))
        self._results, self._engine = Results(engine), engine

    def judge(self, image):
        """The answer to a series that the scanner pushes, recorded."""
        number = next(_NAMES)
        uid = closed(self._engine, chr(number))
        pushed, read = series_of(series(image, f"heart {number}"), "SCANNER")
        judge = SeriesJudge(self._appraiser, read, "here")
        judged = judge.judge(replace(pushed, series_instance_uid=uid), None)
        published = Published(
            verdict=judged.verdict,
            assessment=judged.assessment,
            description=judged.description,
            seconds=judged.seconds,
            objects={},
            bundle=judged.bundle,
            at=float(number),
            past=judged.past,
        )
        self._results.publish(uid, 1, published, ())
        return judged


@pytest.fixture(scope="module")
def learnt(folder, tmp_path_factory):
    """A database that knows what is usual of the protocol."""
    path = tmp_path_factory.mktemp("learnt") / "scanside.sqlite"
    with opened(f"sqlite:///{path}") as engine:
        site = Site(engine, folder)
        states = {site.judge(heart(seed)).verdict.state for seed in range(LEARNT)}
    assert {State.ACCEPT} == states
    return path


@pytest.fixture
def engine(learnt, tmp_path):
    """A copy of it."""
    shutil.copy(learnt, tmp_path / "scanside.sqlite")
    with opened(f"sqlite:///{tmp_path}/scanside.sqlite") as engine:
        yield engine


@pytest.fixture
def empty(tmp_path):
    with opened(f"sqlite:///{tmp_path}/empty.sqlite") as engine:
        yield engine


def test_images_that_cannot_be_read_once_more_cost_the_comparison_and_not_the_answer(engine, folder, monkeypatch):
    judged_by = Examiner.examine

    def examine(self, *arguments, **options):
        if self.bundle.manifest.past is not None:
            raise SpoolError("2.dcm: unreadable")
        return judged_by(self, *arguments, **options)

    site = Site(engine, folder)
    expected = site.judge(heart(3))
    monkeypatch.setattr(Examiner, "examine", examine)
    judged = site.judge(heart(3))

    assert State.ACCEPT == judged.verdict.state
    assert "not compared with its own past: 2.dcm: unreadable" == judged.verdict.reasons[-1]
    assert expected.assessment.measures == judged.assessment.measures
    assert judged.assessment.own_past is None
    assert judged.past is None


def test_the_comparison_goes_on_while_the_task_judges(engine, folder, monkeypatch):
    """Each waits for the other to have begun."""
    judged_by, both = Examiner.examine, Barrier(2)

    def examine(self, *arguments, **options):
        both.wait(30)
        return judged_by(self, *arguments, **options)

    site = Site(engine, folder)
    monkeypatch.setattr(Examiner, "examine", examine)

    assert site.judge(heart(50)).assessment.own_past is not None


def test_an_image_that_the_task_accepts_and_its_past_does_not_is_looked_at(engine, folder):
    site = Site(engine, folder)
    usual, noisy = site.judge(heart(50)), site.judge(heart(51, noise=12))

    assert State.ACCEPT is usual.verdict.state
    assert () == usual.verdict.reasons
    assert State.REVIEW is noisy.verdict.state
    assert "times its usual" in noisy.verdict.action
    assert any("background" in reason for reason in noisy.verdict.reasons)
    assert site.digests["hearts"] == noisy.bundle


def test_while_it_learns_the_task_answers_as_without_it(empty, folder):
    with_past, without = Site(empty, folder), Site(empty, folder, own_past=False)
    for image in (heart(0), heart(1, dark=6), heart(2, brightness=2000.0)):
        assert without.judge(image).verdict == with_past.judge(image).verdict


def test_what_the_task_says_stands_with_the_reasons_of_both(engine, folder):
    site = Site(engine, folder)
    dark = site.judge(heart(50, dark=6, noise=12))

    assert State.RESCAN is dark.verdict.state
    assert "dropout" == dark.verdict.cause
    assert "Check the electrodes, then repeat." == dark.verdict.action
    assert dark.verdict.reasons[0].startswith("Signal dropout")
    assert any("usual" in reason for reason in dark.verdict.reasons)


def test_a_site_may_let_what_is_far_from_its_past_be_repeated(engine, folder):
    site = Site(engine, folder, rescans=("cine*",))

    assert State.RESCAN is site.judge(heart(51, noise=12)).verdict.state


def test_what_was_spoilt_for_the_task_is_no_part_of_the_past(empty, folder):
    site = Site(empty, folder)
    site.judge(heart(0))
    site.judge(heart(1, dark=6))

    assert {("SCANNER", "cine"): 1} == dict(Pasts(empty).counts(site.digests["any-mr"]))


def test_its_measures_are_kept_charted_and_shown(engine, folder):
    site = Site(engine, folder)
    site.judge(heart(51, noise=12))
    *_, newest = Quality(engine, {}, clock=lambda: 0.0).scanner("SCANNER")
    recorded = next(one for one in Answers(engine).recorded(0.0) if one.verdict.state is State.REVIEW)

    assert {"brightness", "summary_bg_stdv"} <= set(newest.names)
    assert {"brightness", "summary_bg_stdv"} <= {number["name"] for number in numbers_of(recorded.assessment)}
    assert newest.value("brightness") == recorded.assessment.measure("brightness").value


def test_at_the_same_thresholds_the_recorded_verdicts_come_again(engine, folder):
    site = Site(engine, folder)
    site.judge(heart(51, noise=12))
    site.judge(heart(50, dark=6, noise=12))
    recorded = Answers(engine).recorded(0.0)
    again = [replay(one, site.manifests, {}).verdict for one in recorded]
    never = [replay(one, site.manifests, {"alpha": 1e-300}).verdict for one in recorded]

    assert {State.ACCEPT, State.REVIEW, State.RESCAN} == {one.verdict.state for one in recorded}
    assert [one.verdict for one in recorded] == again
    assert State.REVIEW not in {verdict.state for verdict in never}
    assert all(
        replay(one, {site.digests["hearts"]: site.manifests[site.digests["hearts"]]}, {}) is None for one in recorded
    )


def test_the_report_names_who_measured_what(engine, folder, tmp_path):
    site = Site(engine, folder)
    noisy = site.judge(heart(51, noise=12))
    for number, made in enumerate(noisy.objects):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(made.payload)
        assert [] == without_dicomdir(unexpected_dciodvfy(path))
    (sr,) = (dcmread(DicomBytesIO(made.payload)) for made in noisy.objects if made.kind == "SR")
    groups = list(_groups(sr))
    signed = {
        algorithm: {name.startswith("scanside/own-past-") for name, of in groups if of == algorithm}
        for _, algorithm in groups
    }

    assert {"hearts": {False}, "any-mr": {True}} == signed
    assert len(groups) == len({name for name, _ in groups})


def _groups(report):
    """Tracking identifier and algorithm name of each measurement group (TID 1501)."""
    (measurements,) = (one for one in report.ContentSequence if one.ConceptNameCodeSequence[0].CodeValue == "126010")
    for group in measurements.ContentSequence:
        texts = {
            one.ConceptNameCodeSequence[0].CodeValue: one.TextValue
            for one in group.ContentSequence
            if "TextValue" in one
        }
        yield texts["112039"], texts["111001"]
