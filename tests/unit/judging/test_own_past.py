"""A protocol's own past: learning, what is usual and what is not, what starts anew, in words for people."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from builders.images import phantoms

from daemon.config import Settings, shipped_bundles
from daemon.core.judging.own_past import Member, changes, member_of, past_of
from daemon.core.judging.verdict import decide
from daemon.core.values import State
from daemon.edge.engines import engine_maker
from daemon.line.examination import load_examiner
from models.past import Past

EXAMINER = load_examiner(shipped_bundles()["any-mr"], engine_maker(Settings().engine, Settings().compiled))
PAST = EXAMINER.bundle.manifest.past
T2 = {"EchoTime": (90.0,), "RepetitionTime": (4000.0,), "SoftwareVersions": ("XA60",), "Matrix": (48.0, 40.0)}


def examined(voxels, past=None):
    return EXAMINER.examine(phantoms.image(voxels), past)


@pytest.fixture(scope="module")
def members():
    return [measured(phantoms.volume(seed)) for seed in range(40)]


def measured(voxels, parameters=T2):
    return member_of(examined(voxels).assessment.measures, PAST, parameters)


reference = partial(past_of, parameters=T2, protocol="t2", level=0.02)


@pytest.mark.parametrize("count", [0, 7, 11])
def test_with_too_few_series_it_says_how_many_it_has_and_shows_the_measures(members, count):
    found = examined(phantoms.volume(99), reference(members[:count]))

    assert State.ACCEPT is found.verdict.state
    assert f"learning ({count} of 12)" in found.verdict.action
    assert np.isfinite(found.assessment.measure("snr").value)
    assert found.assessment.measure("snr").usual is None


def test_a_series_like_its_past_is_accepted_beside_its_usual_range(members):
    found = examined(phantoms.volume(99), reference(members))
    snr = found.assessment.measure("snr")

    assert (State.ACCEPT, "Carry on: as usual for this protocol.") == (found.verdict.state, found.verdict.action)
    assert snr.usual[0] < snr.value < snr.usual[1]
    assert "own past of protocol t2: 40 series" == found.assessment.reference


@pytest.mark.parametrize("count", [12, 40])
def test_three_times_the_noise_is_a_review_that_says_so(members, count):
    found = examined(phantoms.volume(99, noise=36), reference(members[:count]))

    assert State.REVIEW is found.verdict.state
    assert any(
        "background" in reason and "times its usual: noise or ghosting" in reason for reason in found.verdict.reasons
    )


def test_a_slice_that_lost_its_signal_is_told_with_its_place(members):
    voxels = phantoms.volume(99)
    voxels[:, :, 6] *= 0.5
    found = examined(voxels, reference(members))

    assert State.REVIEW is found.verdict.state
    assert any("at slice 7" in reason for reason in found.verdict.reasons)


def test_nothing_unusual_asks_for_a_rescan(members):
    noise = np.random.default_rng(0).normal(0, 300, phantoms.SHAPE)
    found = examined(np.abs(phantoms.volume(99) + noise).astype(np.float32), reference(members))

    assert State.REVIEW is found.verdict.state


def test_a_plain_cause_is_named_and_one_that_is_not_plain_is_not(members):
    noisy = examined(phantoms.volume(99, noise=120), reference(members))
    manifest = EXAMINER.bundle.manifest
    named = max(noisy.assessment.presence, key=noisy.assessment.presence.get)

    assert "noise" == named == noisy.verdict.cause
    assert 1 == pytest.approx(sum(noisy.assessment.presence.values()))
    assert manifest.causes["noise"].word == noisy.verdict.cause_word
    doubtful = dict.fromkeys(manifest.causes, 1 / len(manifest.causes))
    unclear = decide(replace(noisy.assessment, presence=doubtful), manifest)
    assert (State.REVIEW, None) == (unclear.state, unclear.cause)


def test_a_usual_series_has_no_cause(members):
    found = examined(phantoms.volume(99), reference(members))

    assert ({}, None) == (found.assessment.presence, found.verdict.cause)


@pytest.mark.parametrize(("pattern", "state"), [("T2", State.RESCAN), ("t?", State.RESCAN), ("t1*", State.REVIEW)])
def test_what_is_far_is_to_be_repeated_where_the_site_says_so_of_its_protocol(members, pattern, state):
    found = examined(phantoms.volume(99, noise=60), reference(members, rescans=(pattern,)))

    assert state is found.verdict.state
    assert ("repeat" in found.verdict.action) == (state is State.RESCAN)


def test_a_rescan_is_a_tenth_as_likely_as_a_look(members):
    noisy = examined(phantoms.volume(99, noise=60), reference(members, rescans=("*",))).assessment
    rank = replace(noisy.rank, p_value=0.003)
    near = replace(noisy, measures=(rank, *noisy.measures[1:]))

    assert State.REVIEW is decide(near, EXAMINER.bundle.manifest).state


def test_false_alarms_come_at_the_stated_rate():
    past = [measured(phantoms.volume(1000 + seed)) for seed in range(59)]
    fired = [
        examined(phantoms.volume(2000 + seed), past_of(past, T2, "t2", 0.1)).verdict.state is State.REVIEW
        for seed in range(60)
    ]

    assert np.mean(fired) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 60)


def test_what_its_like_have_and_it_has_not_is_told(members):
    voxels = phantoms.volume(99)
    voxels[voxels < 300] = 0  # air without noise
    found = examined(voxels, reference(members))

    assert State.REVIEW is found.verdict.state


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("EchoTime", (100.0,), "EchoTime 100, it was 90"),
        ("SoftwareVersions", ("XA61",), "SoftwareVersions XA61, it was XA60"),
        ("Matrix", (48.0, 48.0), "Matrix 48 48, it was 48 40"),
        ("ReceiveCoilName", ("Head_32",), "ReceiveCoilName Head_32, it was not stated"),
    ],
)
def test_a_protocol_that_changes_starts_anew_and_says_what_changed(members, name, value, said):
    past = past_of(members, {**T2, name: value}, "t2", 0.02)
    found = examined(phantoms.volume(99), past)

    assert "learning (0 of 12)" in found.verdict.action
    assert said in found.verdict.reasons


def test_series_made_like_this_one_count_whenever_they_were_made(members):
    mixed = [replace(one, parameters={**T2, "EchoTime": (80.0,)}) if n % 2 else one for n, one in enumerate(members)]

    assert 20 == len(reference(mixed).members)


@pytest.mark.parametrize(("name", "value"), [("RepetitionTime", (4300.0,)), ("EchoTime", (90.5,))])
def test_what_follows_the_patients_size_is_no_change(name, value):
    assert [] == list(changes(T2, {**T2, name: value}))


def test_a_past_without_any_measure_is_none():
    empty = [Member(parameters=T2, measures={})] * 20
    found = examined(phantoms.volume(99), reference(empty))

    assert "learning (0 of 12)" in found.verdict.action


def test_a_member_holds_what_is_compared_and_is_a_number(members):
    assert set(members[0].measures) <= set(PAST.signals)
    assert isinstance(PAST, Past)
