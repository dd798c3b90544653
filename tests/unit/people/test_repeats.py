"""Which series repeats which."""

from daemon.core.values import State
from daemon.edge.database.trends.repeats import Judged, repeats


def judged(at, state=State.RESCAN, protocol="t1"):
    return Judged(exam_id="e", scanner="MR1", protocol=protocol, received_at=at, state=state)


def test_the_first_later_series_of_the_protocol_repeats_a_rescan():
    first, second, third = judged(1), judged(2), judged(3, State.ACCEPT)

    assert [(first, second), (second, third)] == repeats([third, first, judged(1.5, protocol="t2"), second])


def test_an_accepted_series_is_repeated_by_nobody_and_a_nameless_protocol_is_none():
    assert [] == repeats([judged(1, State.ACCEPT), judged(2, State.ACCEPT)])
    assert [] == repeats([judged(1, protocol=""), judged(2, protocol="")])
