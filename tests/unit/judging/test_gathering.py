"""Who joins whom: a pure choice among what the closed series of a study offer."""

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.judging.gathering import Member, Offer, gather, is_outdated, refused
from daemon.core.values import State


def offer(uid, closed_at, role="t1", **changes):
    values = {"leads": False, "every": False, "partial": False, "state": State.ACCEPT, "revision": 1}
    return Offer(series_instance_uid=uid, bundle="b", role=role, closed_at=closed_at, **values | changes)


LEAD = offer("lead", 1.0, role="flair", leads=True)


def joined(offers, lead="lead"):
    return [(member.role, member.series_instance_uid) for member in gather(lead, offers)]


def test_the_last_whole_series_that_asks_for_no_rescan_plays_a_role():
    first, last = offer("first", 2.0), offer("last", 3.0)
    spoilt, broken = offer("spoilt", 4.0, state=State.RESCAN), offer("broken", 5.0, partial=True)

    assert [("t1", "last")] == joined([LEAD, first, last, spoilt, broken])
    assert [("t1", "broken")] == joined([LEAD, spoilt, broken])
    assert [] == joined([LEAD, spoilt])
    assert ("t1",) == refused("lead", [LEAD, spoilt])
    assert () == refused("lead", [LEAD, spoilt, first])


def test_a_series_that_nobody_could_judge_stands_back_behind_one_that_was():
    good, broken = offer("good", 2.0, partial=True), offer("unjudged", 3.0, state=State.NOT_ASSESSED)

    assert [("t1", "good")] == joined([LEAD, good, broken])
    assert [("t1", "unjudged")] == joined([LEAD, broken])


def test_a_series_of_any_verdict_but_a_rescan_may_join():
    assert all(joined([LEAD, offer("one", 2.0, state=state)]) for state in State if state is not State.RESCAN)


def test_nobody_joins_itself_and_no_lead_joins_another():
    other = offer("other", 2.0, role="flair", leads=True)

    assert [] == joined([LEAD, other])
    assert [] == joined([LEAD])


def test_every_series_of_a_role_that_all_play_joins_in_the_order_of_closing():
    slices = [offer(f"slice {n}", float(n), role="cine", leads=True, every=True) for n in (3, 1, 2)]

    assert [("cine", "slice 1"), ("cine", "slice 3")] == joined(slices, lead="slice 2")


def test_an_examination_is_outdated_by_who_joins_later_and_by_nothing_else():
    one = offer("one", 2.0)
    with_one = gather("lead", [LEAD, one])

    assert is_outdated("lead", (), [LEAD, one], by="one")
    assert not is_outdated("lead", with_one, [LEAD, one], by="one")
    assert is_outdated("lead", with_one, [LEAD, offer("one", 2.0, revision=2)], by="one")
    assert not is_outdated("lead", with_one, [LEAD, one, offer("two", 3.0, state=State.RESCAN)], by="two")


def test_where_all_play_a_role_the_last_one_has_them_all_and_the_earlier_ones_stay():
    first, second = (offer(f"slice {n}", float(n), role="cine", leads=True, every=True) for n in (1, 2))

    assert not is_outdated("slice 1", (), [first, second], by="slice 2")
    assert is_outdated("slice 2", (), [first, second], by="slice 2")
    assert not is_outdated("slice 2", gather("slice 2", [first, second]), [first, second], by="slice 2")


states = st.sampled_from(list(State))
numbers = st.integers(1, 3)


@st.composite
def offers(draw):
    made = []
    for n in range(draw(st.integers(0, 6))):
        leads = draw(st.booleans())
        role = draw(st.sampled_from(["a", "b"])) if not leads else "lead"
        every = role == "b" or (leads and draw(st.booleans()))
        made.append(
            offer(f"s{n}", draw(numbers) * 1.0, role=role, leads=leads, every=every, state=draw(states),
                  partial=draw(st.booleans()), revision=draw(numbers))
        )  # fmt: skip
    return made


@given(offers(), st.randoms())
def test_the_order_in_which_offers_are_read_changes_nothing(made, random):
    shuffled = list(made)
    random.shuffle(shuffled)

    assert gather("s0", made) == gather("s0", shuffled)


@given(offers())
def test_what_was_just_gathered_is_never_outdated(made):
    for one in made:
        members = gather(one.series_instance_uid, made)

        assert all(isinstance(member, Member) for member in members)
        assert one.series_instance_uid not in {member.series_instance_uid for member in members}
        assert not is_outdated(one.series_instance_uid, members, made, by=one.series_instance_uid)
        assert not is_outdated(one.series_instance_uid, members, made, by="another")
