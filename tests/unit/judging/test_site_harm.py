"""Harm learnt at a site: trials drawn once and for all, kept through kills, behind live work, and used by the judge."""

import json
import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from daemon.core.errors import ConfigError, SpoolError
from daemon.core.judging.reference import Standard
from daemon.core.judging.site_harm import HarmCell, SiteHarm, learn_harm, told_by
from daemon.core.people.calibration import Scored
from daemon.core.values import State
from daemon.edge.files.learnt import LearntOfSite, load_learnt, write_learnt
from daemon.edge.files.trials import TrialJournal, TriedAt
from daemon.line.spoiling import Bounds, Live, Spoiler, in_turn, token_of
from models.findings import Findings, Lack, Loss, NotThis, SiteSource
from models.statistics.harm import CLEAN, Harm
from models.statistics.site_harm import fit_site, harm_between
from models.statistics.trials import Tried, trials_of
from models.subject import still

FAMILIES = 16  # of models/physics/families.py


def test_trials_are_the_same_however_often_they_are_drawn():
    trials = trials_of("series", "bundle", 20)

    assert trials == trials_of("series", "bundle", 20)
    assert trials[:9] == trials_of("series", "bundle", 8)
    assert trials != trials_of("another", "bundle", 20)
    assert trials != trials_of("series", "another bundle", 20)
    assert list(range(21)) == [trial.number for trial in trials]
    assert (CLEAN, None) == (trials[0].family, trials[0].artefact)
    assert FAMILIES == len({trial.family for trial in trials[1 : FAMILIES + 1]})


def test_a_trial_spoils_its_image_and_the_first_leaves_it_alone():
    image = np.random.default_rng(0).random((16, 18, 14)).astype(np.float32)
    first, *others = trials_of("series", "bundle", FAMILIES)

    assert first.applied_to(image, (1, 1, 1)) is image
    for trial in others:
        made = trial.applied_to(image, (1, 1, 1))
        assert made.shape == image.shape
        assert (made != image).any()
        np.testing.assert_array_equal(made, trial.applied_to(image, (1, 1, 1)))


@pytest.mark.parametrize(
    ("clean", "spoilt", "harm"),
    [([1, 1, 0], [1, 1, 0], 0), ([1, 1, 0], [0, 0, 1], 1), ([1, 1], [1, 0], 1 / 3), ([0], [0], 0)],
)
def test_harm_is_what_is_missing_of_dice(clean, spoilt, harm):
    assert harm == pytest.approx(harm_between(np.array(clean, bool), np.array(spoilt, bool)))


def tried_of(series, rng, count=12):
    """Trials whose harm grows with one number; another says nothing."""
    made = [Tried(series=series, number=0, family=CLEAN, harm=0.0, numbers={"doubt": 0.1, "noise": rng.random()})]
    for trial in trials_of(series, "bundle", count)[1:]:
        numbers = {"doubt": 0.1 + trial.severity + 0.01 * rng.standard_normal(), "noise": rng.random()}
        made.append(
            Tried(series=series, number=trial.number, family=trial.family, harm=trial.severity**2, numbers=numbers)
        )
    return made


@pytest.fixture(scope="module")
def tried():
    rng = np.random.default_rng(0)
    return [one for n in range(6) for one in tried_of(f"series-{n}", rng)]


def test_a_fit_tells_what_the_next_series_loses(tried):
    harm = fit_site(tried)
    following = tried_of("the next", np.random.default_rng(5))
    expected = [harm.expect(one.numbers) for one in following]

    assert 6 == harm.people
    assert np.corrcoef(expected, [one.harm for one in following])[0, 1] > 0.95
    inside = [harm.interval(one.numbers)[0] <= one.harm <= harm.interval(one.numbers)[1] for one in following]
    assert np.mean(inside) >= 0.75


def test_too_few_series_tell_nothing(tried):
    assert fit_site([one for one in tried if one.series in ("series-0", "series-1")]) is None
    assert fit_site([one for one in tried if one.family == CLEAN]) is None
    assert fit_site([]) is None


def test_each_protocol_has_its_fit_and_small_ones_their_scanners(tried):
    small = [one for one in tried if one.series in ("series-0", "series-1")]
    large = [one for one in tried if one not in small]
    site = SiteHarm(bundle="", made_at=0, cells=learn_harm({("MR1", "t1"): large, ("MR1", "fast"): small}))

    assert 4 == site.of("MR1", "t1").people
    assert 6 == site.of("MR1", "fast").people == site.of("MR1", "unheard of").people
    assert site.of("MR2", "t1") is None


def harm_of(*names):
    zeros = (0.0,) * len(names)
    return Harm(
        names=names, floors=zeros, centre=zeros, spread=(1.0,) * len(names), weights=(1.0,) * len(names),
        offset=0.0, below=0.1, above=0.1, images=40, people=4,
    )  # fmt: skip


def test_the_judge_tells_the_loss_by_the_sites_fit():
    source = SiteSource(numbers=lambda: {"doubt": 0.5}, structure=lambda: np.zeros(1, bool))
    found, own = Findings(signals=(), source=source), Loss(expected=0.9, interval=(0.8, 1.0))
    by_site = Loss(expected=0.25, interval=(pytest.approx(0.16), pytest.approx(0.36)))

    assert by_site == told_by(harm_of("doubt"), found)
    assert own == told_by(None, replace(found, loss=own))
    assert own == told_by(harm_of("a number of another version"), replace(found, loss=own))
    assert own == told_by(harm_of("doubt"), replace(found, loss=own, source=None))


def test_of_the_sites_loss_and_the_methods_own_the_surer_counts():
    source = SiteSource(numbers=lambda: {"doubt": 0.5}, structure=lambda: np.zeros(1, bool))
    surer, vaguer = (Loss(expected=0.64, interval=(0.0, high)) for high in (0.7, 1.0))
    found = Findings(signals=(), source=source)

    assert surer == told_by(harm_of("doubt"), replace(found, loss=surer))
    assert 0.25 == pytest.approx(told_by(harm_of("doubt"), replace(found, loss=vaguer)).expected)


def test_whoever_tells_less_is_not_the_surer_one():
    """In the loss itself an interval is the narrower, the less is expected: the milder of two fits would win."""
    source = SiteSource(numbers=lambda: {"doubt": 0.5}, structure=lambda: np.zeros(1, bool))
    mild = Loss(expected=0.04, interval=(0.0, 0.35**2))  # in the root passed by 0.15, the site's by 0.1

    assert 0.25 == pytest.approx(told_by(harm_of("doubt"), Findings(signals=(), source=source, loss=mild)).expected)


def test_the_reference_says_that_the_site_tells_the_loss():
    standard = Standard(name="bundle", scores={}, level=0.1)

    assert standard is standard.with_harm(None)
    assert "bundle; loss by 4 series of the site where surer" == standard.with_harm(harm_of("doubt")).name


BUNDLE = SimpleNamespace(digest="d1gest", manifest=SimpleNamespace(name="toy", lead="image"))


class Method:
    """Segments what is brighter than half; ``seen`` counts its images."""

    def __init__(self):
        self.seen = 0

    def examine(self, subject, _):
        self.seen += 1
        image = subject.images["image"].still
        if not np.isfinite(image).all():
            raise NotThis(Lack.NOT_FOUND)
        numbers = {"mean": float(image.mean()), "deviation": float(image.std())}
        return Findings(signals=(), source=SiteSource(numbers=lambda: numbers, structure=lambda: image > 0.5))


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def place(tmp_path):
    """A spoiler maker over four series of two protocols; ``lost`` series have no images any more."""
    method = Method()
    examiner = SimpleNamespace(bundle=BUNDLE, method=method, engines={})
    journal = TrialJournal(tmp_path / "harm.trials")
    rng = np.random.default_rng(1)
    images = {f"1.2.{n}": still(rng.random((12, 12, 12)).astype(np.float32), np.eye(4)) for n in range(4)}

    def image_of(uid):
        if uid not in images:
            raise SpoolError("gone")
        return images[uid]

    def make(*, busy=lambda: False, minutes=10.0, images=5, sleep=time.sleep):
        bounds = Bounds(series=10, images=images, until=time.monotonic() + 60 * minutes)
        return Spoiler(examiner, journal, Live(image_of=image_of, is_busy=busy, sleep=sleep), bounds)

    return SimpleNamespace(make=make, method=method, journal=journal, images=images)


def scored(*numbers, protocol="t1"):
    return [
        Scored(
            series_instance_uid=f"1.2.{n}",
            scanner="MR1",
            protocol=protocol,
            bundle="d1gest",
            state=State.ACCEPT,
            scores={},
        )
        for n in numbers
    ]


def test_every_series_is_tried_once(place):
    first = place.make().run([scored(0, 1, 2)])
    seen = place.method.seen
    again = place.make().run([scored(0, 1, 2)])

    assert (3 * 6, 0, 0) == (first.now, first.left, first.lost)
    assert (0, 0, 0) == (again.now, again.left, again.lost)
    assert seen == place.method.seen
    found = list(place.journal.read("d1gest"))
    assert 18 == len({(one.tried.series, one.tried.number) for one in found}) == len(found)
    assert {0.0} == {one.tried.harm for one in found if one.tried.number == 0}
    assert any(one.tried.harm > 0 for one in found)
    assert not list(place.journal.read("another bundle"))


@pytest.mark.parametrize("kills", [(2,), (3, 11)])
def test_a_killed_run_loses_the_image_that_it_was_at(place, kills):
    """Each kill comes in the middle of a line, as a power cut leaves it."""
    append, count = place.journal.append, 0

    def dying(tried):
        nonlocal count
        count += 1
        if count in kills:
            with place.journal._path.open("a") as file:  # noqa: SLF001 - the file itself is what a kill leaves
                file.write(json.dumps({"bundle": "d1gest"})[:9])
            raise Killed
        append(tried)

    place.journal.append = dying
    for _ in kills:
        with pytest.raises(Killed):
            place.make().run([scored(0, 1, 2)])
    done = place.make().run([scored(0, 1, 2)])
    found = [(one.tried.series, one.tried.number) for one in place.journal.read("d1gest")]

    assert 18 == len(found) == len(set(found))
    assert 18 - max(kills) + len(kills) == done.now


def test_live_work_goes_first(place):
    waited = []
    states = [True, True, False] * 100

    done = place.make(busy=lambda: states.pop(0), sleep=waited.append).run([scored(0)])

    assert 6 == done.now
    assert 2 * 7 == len(waited)  # before the series, and before each of its images


def test_it_stops_when_its_time_is_up_even_if_somebody_waits_for_ever(place):
    done = place.make(busy=lambda: True, minutes=0.001, sleep=lambda _: time.sleep(0.01)).run([scored(0, 1)])

    assert (0, 12) == (done.now, done.left)
    assert 0 == place.method.seen


def test_what_is_gone_or_no_subject_any_more_is_counted(place):
    del place.images["1.2.1"]
    place.images["1.2.2"] = still(np.full((4, 4, 4), np.nan, np.float32), np.eye(4))
    done = place.make().run([scored(0, 1, 2)])

    assert (6, 0, 2) == (done.now, done.left, done.lost)


def test_cells_take_turns_and_their_first_series_come_first():
    cells = [scored(2, 1, 0), scored(3, protocol="fast")]

    assert ["1.2.2", "1.2.3", "1.2.1"] == [one.series_instance_uid for one in in_turn(cells, 2)]


def test_what_was_begun_stays_among_the_series_that_are_tried():
    """Newer ones do not take its place: a journal grows with the protocols, not with the series."""
    begun = {token_of("1.2.0")}

    assert ["1.2.0", "1.2.2"] == [one.series_instance_uid for one in in_turn([scored(2, 1, 0)], 2, begun)]


def test_series_beyond_the_first_are_tried_as_they_came_and_stay_apart_from_those_that_are_spoilt(place):
    """Else the next night would spoil others, and all of them in the end."""

    def nights(count):
        for _ in range(count):
            for images, most in ((5, 1), (0, 3)):
                bounds = Bounds(series=most, images=images, until=time.monotonic() + 60)
                live = Live(image_of=place.images.__getitem__, is_busy=lambda: False)
                examiner = SimpleNamespace(bundle=BUNDLE, method=place.method, engines={})
                Spoiler(examiner, place.journal, live, bounds).run([scored(3, 2, 1, 0)])
        counts = Counter(one.tried.series for one in place.journal.read("d1gest"))
        return [counts[token_of(f"1.2.{n}")] for n in range(4)]

    assert [0, 1, 1, 6] == nights(1) == nights(2)


def test_a_journal_forgets_what_is_no_longer_asked_for(place, tmp_path):
    place.make().run([scored(0, 1)])
    place.journal.append(TriedAt(bundle="old", scanner="", protocol="", tried=next(place.journal.read("d1gest")).tried))
    place.journal.keep("d1gest", {token_of("1.2.1")})
    kept = (tmp_path / "harm.trials").read_text()

    assert {token_of("1.2.1")} == {one.tried.series for one in place.journal.read("d1gest")}
    assert 6 == kept.count("\n")
    place.journal.keep("d1gest", {token_of("1.2.1"), "another"})
    assert kept == (tmp_path / "harm.trials").read_text()
    TrialJournal(tmp_path / "nothing").keep("d1gest", set())
    assert not (tmp_path / "nothing").exists()


def test_one_process_at_a_time_tries_series(place, tmp_path):
    with (
        place.journal.alone(),
        pytest.raises(ConfigError, match="let it end"),
        TrialJournal(tmp_path / "harm.trials").alone(),
    ):
        pass
    with place.journal.alone():
        assert 0o600 == (tmp_path / "harm.lock").stat().st_mode & 0o777


def test_a_journal_holds_no_uid(place, tmp_path):
    place.make().run([scored(0)])

    assert "1.2.0" not in (tmp_path / "harm.trials").read_text()
    assert token_of("1.2.0") in (tmp_path / "harm.trials").read_text()


def site(digest="d1gest"):
    cells = (
        HarmCell(scanner="MR1", protocol="t1", harm=harm_of("doubt")),
        HarmCell(scanner="MR1", protocol=None, harm=harm_of("doubt")),
    )
    return SiteHarm(bundle=digest, made_at=1.0, cells=cells)


def test_what_is_written_is_read(tmp_path):
    write_learnt(tmp_path / "harm.json", site())

    assert site() == load_learnt(tmp_path / "harm.json", SiteHarm, BUNDLE)
    assert load_learnt(tmp_path / "nothing", SiteHarm, BUNDLE) is None


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 9}', '{"format": 1, "bundle": 3}', "\udcff"])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "harm.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match="calibrate --harm again"):
        load_learnt(tmp_path / "harm.json", SiteHarm, BUNDLE)


def test_the_running_judge_takes_up_what_was_learnt_and_leaves_what_is_another_bundles(tmp_path):
    path = tmp_path / "harm.json"
    learnt = LearntOfSite(path, SiteHarm, BUNDLE)

    assert learnt.value() is None
    write_learnt(path, site())
    assert site() == learnt.value()
    write_learnt(path, site("another bundle"))
    assert learnt.value() is None
    path.unlink()
    assert learnt.value() is None


def test_a_harm_is_that_of_its_protocol_else_of_its_scanner():
    own = harm_of("own")
    both = replace(site(), cells=(*site().cells, HarmCell(scanner="MR1", protocol="fast", harm=own)))

    assert own == both.of("MR1", "fast")
    assert harm_of("doubt") == both.of("MR1", "unknown")
    assert both.of("MR2", "t1") is None


def test_a_full_disk_is_told_by_its_own_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot write"):
        write_learnt(tmp_path / "nowhere" / "harm.json", site())
    with pytest.raises(OSError, match="nowhere"):
        TrialJournal(tmp_path / "nowhere" / "trials").append(
            TriedAt(
                bundle="", scanner="", protocol="", tried=Tried(series="", number=0, family=CLEAN, harm=0.0, numbers={})
            )
        )
