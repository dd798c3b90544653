"""How artefacts look in a protocol, learnt at the site: whose it is, what it calls, and how it is said."""

import re
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from builders.images import phantoms

from daemon.config import Settings, shipped_bundles
from daemon.core.errors import ConfigError
from daemon.core.judging.own_past import Member, OwnPast, member_of
from daemon.core.judging.site_artefacts import (
    ArtefactCell,
    Kept,
    SiteArtefacts,
    alike_groups,
    learn_cell,
)
from daemon.core.values import State
from daemon.edge.engines import engine_maker
from daemon.edge.files.learnt import load_learnt, write_learnt
from daemon.line.examination import load_examiner
from models.findings import NotThis
from models.statistics.trials import Tried, trials_of
from models.subject import Subject

EXAMINER = load_examiner(shipped_bundles()["any-mr"], engine_maker(Settings().engine, Settings().compiled))
BUNDLE = EXAMINER.bundle
PAST, ALPHA = BUNDLE.manifest.past, BUNDLE.manifest.thresholds.alpha
T2 = {"EchoTime": (90.0,), "ImageType": ("ORIGINAL", "PRIMARY")}
SERIES, IMAGES, SPACING = 14, 16, (3.0, 3.0, 5.0)
#: Someone else than the fourteen.
NEXT = 99


def volume(seed):
    """A person, as a scanner stores it."""
    return np.rint(phantoms.volume(seed)).astype(np.float32)


def numbers_of(voxels):
    with suppress(NotThis):  # spoilt until nothing but noise is left
        return dict(EXAMINER.method.examine(Subject(images={"image": phantoms.image(voxels)}), {}).source.numbers())
    return {}


def tried_of(seed):
    for one in trials_of(f"series {seed}", "bundle", IMAGES):
        numbers = numbers_of(one.applied_to(volume(seed), SPACING))
        yield Tried(
            series=f"series {seed}",
            number=one.number,
            family=one.family,
            harm=0.0,
            numbers=numbers,
        )


@pytest.fixture(scope="module")
def cells():
    newest = Kept(series_instance_uid="1.2", scanner="MR1", protocol="t2", parameters=T2)
    return (learn_cell([newest], [one for n in range(SERIES) for one in tried_of(n)]),)


@pytest.fixture(scope="module")
def members():
    examined = (EXAMINER.examine(phantoms.image(volume(seed))) for seed in range(SERIES))
    return tuple(member_of(one.assessment.measures, PAST, T2).measures for one in examined)


@pytest.fixture
def past(cells, members):
    site = SiteArtefacts(bundle=BUNDLE.digest, made_at=1.0, cells=cells)
    return OwnPast(name="past", level=ALPHA, members=members, artefacts=site.of("MR1", "t2", T2))


def shifted(voxels, share=0.4):
    """Motion: half of the lines from where the body was ``share`` of the field of view ago."""
    lines, moved = (np.fft.fft(one, axis=1) for one in (voxels, np.roll(voxels, int(share * 10), axis=0)))
    lines[:, ::2] = moved[:, ::2]
    return np.rint(np.abs(np.fft.ifft(lines, axis=1))).astype(np.float32)


def test_a_good_series_is_accepted_and_its_odds_are_beside_those_of_the_good_ones(past):
    found = EXAMINER.examine(phantoms.image(volume(NEXT)), past)
    odds = found.assessment.measure("artefact_odds")

    assert State.ACCEPT is found.verdict.state
    assert odds.usual[0] < odds.median < odds.usual[1]
    assert ALPHA / 2 == odds.level == found.assessment.rank.level


def test_an_artefact_is_called_in_words_and_by_its_cause(past):
    found = EXAMINER.examine(phantoms.image(shifted(volume(NEXT))), past)

    assert State.REVIEW is found.verdict.state
    assert any(re.search("signs of an artefact .* when they are spoilt", one) for one in found.verdict.reasons)
    assert found.assessment.measure("artefact_odds").abnormal
    presence = found.assessment.presence
    assert 1 == pytest.approx(sum(presence.values()))
    assert found.verdict.cause == next((cause for cause, share in presence.items() if share >= PAST.evident), None)


def test_without_what_was_learnt_the_past_alone_speaks(past):
    found = EXAMINER.examine(phantoms.image(volume(NEXT)), replace(past, artefacts=None))

    assert "artefact_odds" not in {one.name for one in found.assessment.measures}
    assert ALPHA == found.assessment.rank.level


def test_while_the_past_learns_nothing_is_called(past):
    found = EXAMINER.examine(phantoms.image(shifted(volume(NEXT))), replace(past, members=past.members[:5]))

    assert (State.ACCEPT, "learning (5 of 12)") == (found.verdict.state, found.assessment.learning)


def test_what_other_numbers_were_learnt_from_is_done_without(past):
    presence = past.artefacts.presence
    other = replace(past.artefacts, presence=replace(presence, names=("unheard of", *presence.names[1:])))

    assert "artefact_odds" not in {
        one.name
        for one in EXAMINER.examine(phantoms.image(volume(NEXT)), replace(past, artefacts=other)).assessment.measures
    }


def test_a_rescan_is_asked_only_where_the_site_lets_it(past):
    found = EXAMINER.examine(phantoms.image(shifted(volume(NEXT))), replace(past, rescans=True))

    assert State.RESCAN is found.verdict.state


def test_the_odds_do_not_become_part_of_the_past(past):
    """They are those of what was learnt then: the next fit has its own."""
    found = EXAMINER.examine(phantoms.image(volume(NEXT)), past)

    assert "artefact_odds" not in member_of(found.assessment.measures, PAST, T2).measures


@pytest.mark.parametrize(
    ("scanner", "protocol", "parameters", "known"),
    [
        ("MR1", "t2", T2, True),
        ("MR1", "t2", T2 | {"EchoTime": (90.9,)}, True),
        ("MR1", "t2", T2 | {"EchoTime": (100.0,)}, False),
        ("MR1", "t2", {}, False),
        ("MR2", "t2", T2, False),
        ("MR1", "t1", T2, False),
    ],
)
def test_it_is_of_one_scanner_one_protocol_and_one_way_of_acquisition(cells, scanner, protocol, parameters, known):
    site = SiteArtefacts(bundle="", made_at=0.0, cells=cells)

    assert known is (site.of(scanner, protocol, parameters) is not None)


def kept(*echo_times, protocol="t2"):
    return [
        Kept(series_instance_uid=f"1.{n}", scanner="MR1", protocol=protocol, parameters={"EchoTime": (float(time),)})
        for n, time in enumerate(echo_times)
    ]


def test_series_that_were_acquired_alike_teach_together_and_an_odd_one_takes_nothing_from_them():
    groups = alike_groups([*kept(70, 90, 100, 90.5, 100, 90), *kept(100, protocol="other")])
    times = [[one.parameters["EchoTime"][0] for one in group] for group in groups]

    assert [[70.0], [90.0, 90.5, 90.0], [100.0, 100.0], [100.0]] == times
    assert ["t2", "t2", "t2", "other"] == [group[0].protocol for group in groups]


def test_too_few_series_make_no_cell():
    tried = [Tried(series="s", number=0, family="clean", harm=0.0, numbers={"a": 1.0})]

    assert learn_cell(kept(90), tried) is None


def test_what_is_written_is_read_as_it_was(tmp_path, cells):
    site = SiteArtefacts(bundle=BUNDLE.digest, made_at=1.0, cells=cells)
    write_learnt(tmp_path / "artefacts.json", site)
    read = load_learnt(tmp_path / "artefacts.json", SiteArtefacts, BUNDLE)

    assert site == read
    assert isinstance(read.cells[0], ArtefactCell)
    assert Member(parameters=T2, measures={}).parameters == read.cells[0].parameters


def test_another_bundles_file_is_refused_by_the_command_that_makes_it_anew(tmp_path):
    write_learnt(tmp_path / "artefacts.json", SiteArtefacts(bundle="another", made_at=1.0, cells=()))

    with pytest.raises(ConfigError, match="calibrate --artefacts again"):
        load_learnt(tmp_path / "artefacts.json", SiteArtefacts, BUNDLE)
