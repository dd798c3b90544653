"""The usual list of an exam, learnt from its like: what is missing, what is extra, and when nothing is said."""

import numpy as np
import pytest

from daemon.core.people.usual_list import FEWEST, ListCheck, check_list

HEAD = ("localizer", "t1", "t2", "flair", "dwi")
KNEE = ("localizer", "pd sag", "pd cor", "t1 cor")
EARLIER = [HEAD] * 30 + [KNEE] * 20


def test_what_is_not_here_yet_of_the_usual_list_is_told_in_its_order():
    found = check_list(["localizer", "t1", "t2"], EARLIER)

    assert (("flair", "dwi"), ()) == (found.missing, found.extra)


def test_a_whole_exam_lacks_nothing_in_whatever_order_and_however_often():
    assert ListCheck(alike=30) == check_list(["dwi", "t2", "flair", "t1", "t1", "localizer"], EARLIER)


def test_what_its_like_never_had_is_extra():
    found = check_list([*HEAD, "swi"], EARLIER)

    assert ((), ("swi",)) == (found.missing, found.extra)


def test_what_all_kinds_of_exams_begin_with_tells_no_kind():
    assert ListCheck(alike=50) == check_list(["localizer"], EARLIER)


def test_a_protocol_that_only_some_had_is_neither_missing_nor_extra():
    earlier = [HEAD] * 20 + [(*HEAD, "swi")] * 10

    assert () == check_list(HEAD, earlier).missing
    assert () == check_list([*HEAD, "swi"], earlier).extra


@pytest.mark.parametrize(
    ("here", "earlier"), [([], EARLIER), (["new"], EARLIER), (HEAD, []), (HEAD, [HEAD] * (FEWEST - 1)), ([""], EARLIER)]
)
def test_without_enough_of_its_like_nothing_is_said(here, earlier):
    found = check_list(here, earlier)

    assert ((), ()) == (found.missing, found.extra)


def test_exams_that_vary_raise_few_false_alarms():
    rng = np.random.default_rng(0)
    exams = [tuple(name for name in HEAD if rng.random() < 0.99) for _ in range(260)]
    told = [check_list(exams[number], exams[:number]) for number in range(200, 260)]

    assert sum(bool(one.extra) for one in told) == 0
    assert sum(bool(one.missing) for one in told) <= 8
