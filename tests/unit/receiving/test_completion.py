"""When a series is complete: every rule, re-opening, duplicates, and that no order of events loses an image."""

from dataclasses import replace

import pytest
from builders.judging.values import association_end, instance
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.reception.completion import Completion, Patience
from daemon.core.reception.geometry import Coverage, coverage
from daemon.core.steps import StepReport, StepState
from daemon.core.values import ClosedBy, Place

PATIENCE = Patience(geometry_s=0.0, release_s=0.5, stray_s=10.0, quiet_s=60.0)


@pytest.fixture
def completion():
    return Completion(PATIENCE)


def fill(completion, count, **facts):
    for number in range(count):
        completion.receive(instance(number, **facts))


def test_an_announced_and_whole_series_closes_at_once(completion):
    fill(completion, 5, expected=5)
    (series,) = completion.due(now=4.0)

    assert ClosedBy.GEOMETRY is series.closed_by
    assert not series.partial
    assert len(series.instances) == 5


def test_an_announced_series_with_a_gap_waits(completion):
    for number in (0, 1, 3, 4):
        completion.receive(instance(number, expected=4))

    assert completion.due(now=50.0) == ()


def test_a_released_whole_series_closes_after_a_moment(completion):
    fill(completion, 5)
    completion.end(association_end(at=10.0))

    assert completion.due(now=10.4) == ()
    (series,) = completion.due(now=10.5)
    assert (series.closed_by, series.partial) == (ClosedBy.RELEASE, False)


def test_a_released_series_with_a_gap_closes_late_and_partial(completion):
    for number in (0, 1, 3, 4):
        completion.receive(instance(number))
    completion.end(association_end(at=10.0))

    assert completion.due(now=19.9) == ()
    (series,) = completion.due(now=20.0)
    assert (series.closed_by, series.partial) == (ClosedBy.RELEASE, True)


def test_an_aborted_association_ends_nothing(completion):
    fill(completion, 5)
    completion.end(association_end(at=10.0, aborted=True))

    assert completion.due(now=63.9) == ()
    (series,) = completion.due(now=64.0)
    assert (series.closed_by, series.partial) == (ClosedBy.QUIET, True)


def test_a_resumed_series_is_not_held_aborted(completion):
    fill(completion, 3)
    completion.end(association_end(at=3.0, aborted=True))
    for number in (3, 4):
        completion.receive(instance(number, association="b"))
    completion.end(association_end(at=6.0, association="b"))
    (series,) = completion.due(now=6.5)

    assert not series.partial


def test_one_of_two_associations_is_not_the_end(completion):
    fill(completion, 3)
    completion.receive(instance(3, association="b"))
    completion.receive(instance(4, association="b"))
    completion.end(association_end(at=5.0))

    assert completion.due(now=30.0) == ()
    completion.end(association_end(at=31.0, association="b"))
    assert len(completion.due(now=31.5)) == 1


def test_silence_closes_in_the_end(completion):
    fill(completion, 5)

    assert completion.due(now=63.9) == ()
    (series,) = completion.due(now=64.0)
    assert (series.closed_by, series.partial) == (ClosedBy.QUIET, True)


def test_the_quiet_time_follows_the_pauses_of_the_scanner(completion):
    for number in range(49):
        name = chr(ord("A") + number)
        for k in range(3):
            completion.receive(instance(k, series=name, at=1000.0 * number + 8.0 * k, expected=3))
        assert 1 == len(completion.due(1000.0 * number + 16))
    fill(completion, 5)

    assert completion.rhythm("SCANNER").pauses == (8.0,) * 49
    assert completion.due(now=19.9) == ()
    assert [ClosedBy.QUIET] == [series.closed_by for series in completion.due(now=20.0)]


def test_a_late_image_reopens_with_all_images_under_the_next_revision(completion):
    fill(completion, 4, expected=4)
    (first,) = completion.due(now=4.0)
    completion.receive(instance(4))
    (second,) = completion.due(now=70.0)

    assert (first.revision, second.revision) == (1, 2)
    assert len(second.instances) == 5
    assert first.instances == second.instances[:4]


def test_a_late_image_reopens_a_series_of_before_the_restart(completion):
    fill(completion, 4, expected=4)
    (first,) = completion.due(now=4.0)
    after = Completion(PATIENCE)
    after.restore(first)
    after.receive(instance(2))
    after.receive(instance(4))
    (second,) = after.due(now=70.0)

    assert (second.revision, len(second.instances), after.duplicates) == (2, 5, 1)


def test_a_repeated_image_changes_nothing(completion):
    fill(completion, 4, expected=4)
    completion.receive(instance(1))
    completion.receive(replace(instance(2), digest="other"))
    (series,) = completion.due(now=4.0)

    assert (completion.duplicates, completion.conflicts, len(series.instances)) == (1, 1, 4)
    assert instance(2, expected=4) == series.instances[2]


def test_a_repeat_after_closing_does_not_reopen(completion):
    fill(completion, 4, expected=4)
    completion.due(now=4.0)
    fill(completion, 4, expected=4)

    assert completion.due(now=1000.0) == ()
    assert completion.duplicates == 4


def test_a_multi_frame_object_is_whole_by_itself(completion):
    completion.receive(instance(0, frames=120, place=None))
    completion.end(association_end(at=1.0))

    assert len(completion.due(now=1.5)) == 1


events = st.lists(
    st.one_of(
        st.tuples(st.just("image"), st.sampled_from("st"), st.integers(0, 12), st.sampled_from("ab")),
        st.tuples(st.just("end"), st.booleans(), st.none(), st.sampled_from("ab")),
        st.tuples(st.just("wait"), st.floats(0, 90), st.none(), st.none()),
        st.tuples(
            st.just("step"), st.sampled_from("st"), st.frozensets(st.integers(0, 12)), st.sampled_from(StepState)
        ),
    ),
    max_size=60,
)


def lacks(series, lists):
    """Whether an ended step lists an image that is not there."""
    there = {i.arrival.sop_instance_uid for i in series.instances}
    return any(not listed.get(series.series_instance_uid, frozenset()) <= there for listed in lists.values())


@given(events)
@settings(max_examples=200, deadline=None)
def test_whatever_happens_the_newest_revisions_hold_every_image_once_and_what_lacks_one_is_partial(story):
    completion, now, newest, sent, lists = Completion(PATIENCE), 0.0, {}, set(), {}
    for kind, first, number, association in story:
        now += 0.01
        if kind == "image":
            completion.receive(instance(number, series=first, association=association, at=now))
            sent.add((first, number))
        elif kind == "end":
            completion.end(association_end(at=now, association=association, aborted=first))
        elif kind == "step":
            listed = {f"1.2.{ord(first)}": frozenset(f"1.2.{ord(first)}.{n}" for n in number)}
            uid = f"1.3.{len(lists)}"
            completion.report(StepReport(step_uid=uid, reported_at=now, state=association, images=listed))
            if association.final:
                lists[uid] = listed
        else:
            now += first
        for series in completion.due(now):
            assert series.revision == newest.get(series.series_instance_uid, (0, ()))[0] + 1
            newest[series.series_instance_uid] = (series.revision, series.instances)
            assert series.partial or not lacks(series, lists)
    for series in completion.due(now + 60):
        newest[series.series_instance_uid] = (series.revision, series.instances)
        assert series.partial or not lacks(series, lists)
    found = [i.arrival.sop_instance_uid for _, instances in newest.values() for i in instances]

    assert len(sent) == len(found) == len(set(found))
    assert completion.incoming() == ()


def places(*positions, dimension=()):
    return [Place(orientation=(1, 0, 0, 0, 1, 0), position_mm=p, dimension=dimension) for p in positions]


def test_coverage_of_regular_gapped_and_shapeless_positions():
    turned = Place(orientation=(0, 1, 0, 0, 0, -1), position_mm=0)

    assert Coverage.WHOLE is coverage(places(3, 1, 2, 0))
    assert Coverage.GAPPED is coverage(places(0, 1, 2, 4, 5))
    assert Coverage.SHAPELESS is coverage(places(0, 1))
    assert Coverage.SHAPELESS is coverage([*places(0, 1, 2), turned])
    assert Coverage.SHAPELESS is coverage([None, None, None])


def test_every_echo_needs_every_position():
    first, second = places(0, 1, 2, dimension=("1",)), places(0, 1, 2, dimension=("2",))

    assert Coverage.WHOLE is coverage([*first, *second])
    assert Coverage.GAPPED is coverage([*first, *second[:2]])


@pytest.mark.parametrize("back", [60.0, 3600.0, 86400.0])
@pytest.mark.parametrize("end", [None, False, True], ids=["silent", "released", "aborted"])
def test_a_clock_that_is_set_back_makes_no_series_wait_longer(completion, back, end):
    fill(completion, 5)
    assert completion.due(now=4.1) == ()
    if end is not None:
        completion.end(association_end(at=4.2, aborted=end))
        assert completion.due(now=4.25) == ()
    assert completion.due(now=5.0 - back) == ()
    (series,) = completion.due(now=65.0 - back)

    assert 5 == len(series.instances)


def test_images_that_come_after_the_clock_was_set_back_are_waited_for(completion):
    began = 100_000.0
    for number in range(5):
        completion.receive(instance(number, at=began + number))
    assert completion.due(now=began + 5.0) == ()
    for number in range(5, 10):
        at = began - 3600.0 + 50.0 * number
        completion.receive(instance(number, at=at))
        assert completion.due(now=at + 49.9) == ()
    (series,) = completion.due(now=at + 60.0)

    assert 10 == len(series.instances)
