"""How a scanner's transmission is planned: whatever the options, every image is accounted for, and the seed decides."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.reception.transmission import Deal, SendingOptions, plan

SERIES = st.lists(st.integers(1, 30), min_size=1, max_size=4).map(
    lambda sizes: [[(number, k) for k in range(size)] for number, size in enumerate(sizes)]
)
COUNTS = st.integers(0, 4)
MANNERS = st.builds(
    SendingOptions,
    seed=st.integers(0, 1000),
    associations=st.integers(1, 5),
    deal=st.sampled_from(Deal),
    shuffle=st.booleans(),
    rate=st.none() | st.floats(1, 100),
    drop=COUNTS,
    repeat=COUNTS,
    change=COUNTS,
    late=COUNTS,
    aborts=COUNTS,
)


def planned(series, **facts):
    return plan(series, SendingOptions(**facts), lambda _: None)


def on_time(transmission):
    return [s for batch in chain(*transmission.lines) for s in batch.sendings]


@given(SERIES, MANNERS)
def test_every_image_is_sent_on_time_or_late_or_dropped(series, sending_options):
    transmission = plan(series, sending_options, lambda _: None)
    late = {s.image for batch in transmission.late for s in batch.sendings}
    sent = {s.image for s in on_time(transmission)}

    assert not sent & late
    assert transmission.dropped == len(set(chain(*series)) - sent - late)
    assert transmission.dropped == sum(min(sending_options.drop, len(images)) for images in series)
    assert len(late) == sum(min(sending_options.late, max(0, len(images) - sending_options.drop)) for images in series)


@given(SERIES, MANNERS)
def test_the_same_seed_plans_the_same(series, sending_options):
    assert plan(series, sending_options, lambda _: None) == plan(series, sending_options, lambda _: None)


@given(SERIES, MANNERS)
def test_a_changed_image_follows_the_first_of_its_uid_in_the_series(series, sending_options):
    single = plan(
        series[:1],
        SendingOptions(seed=sending_options.seed, repeat=sending_options.repeat, change=sending_options.change),
        lambda _: None,
    )
    seen = set()
    for sending in on_time(single):
        assert sending.image in seen or not sending.changed
        seen.add(sending.image)


@given(SERIES, MANNERS)
def test_every_association_but_the_last_of_a_line_is_aborted(series, sending_options):
    for line in plan(series, sending_options, lambda _: None).lines:
        assert [True] * (len(line) - 1) + [False] == [batch.aborted for batch in line]
        assert len(line) == min(sending_options.aborts + 1, sum(len(batch.sendings) for batch in line))


def test_deals():
    series = [["a1", "a2", "a3", "a4"], ["b1", "b2"]]

    def dealt(deal, count=2):
        lines = planned(series, associations=count, deal=deal).lines
        return [" ".join(s.image for batch in line for s in batch.sendings) for line in lines]

    assert ["a1 a2 b1", "a3 a4 b2"] == dealt(Deal.BLOCKS)
    assert ["a1 a2 a3 a4", "b1 b2"] == dealt(Deal.SERIES)
    assert ["a1 a2 a3", "b1 b2 a4"] == dealt(Deal.IMAGES)
    assert ["a1 b1 a2 b2 a3 a4"] == dealt(Deal.IMAGES, 1)


def test_repeats_and_changes_are_of_different_images_in_their_number():
    sent = on_time(planned([list(range(20))], repeat=3, change=2))

    assert 25 == len(sent)
    assert 2 == sum(s.changed for s in sent)
    assert 5 == sum(1 for image in range(20) if sum(s.image == image for s in sent) == 2)


def test_a_rate_is_of_all_associations_together():
    times = sorted(s.at_s for s in on_time(planned([list(range(100))], rate=10.0, associations=4)))

    assert 100 == sum(time < 10 for time in times)
    assert 40 == sum(time < 4 for time in times)


def test_images_are_sent_in_their_own_time():
    acquired = {"a": 100.0, "b": 101.5, "c": None, "d": 104.0}
    sent = on_time(plan([list("abcd")], SendingOptions(speed=2.0), acquired.get))

    assert [0.0, 0.75, 0.0, 2.0] == [s.at_s for s in sent]
