"""The transition table of completion: what happens, when a series closes, by what, and whether it counts as partial.

A row is a story and the closings that it must lead to, and no others within two hundred seconds. Images are slices of
a regular series of twelve, by number.
"""

import pytest
from builders.judging.values import association_end, instance

from daemon.core.reception.completion import Completion, Patience
from daemon.core.reception.rhythm import Rhythm
from daemon.core.steps import StepReport, StepState

PATIENCE = Patience(geometry_s=0.0, release_s=0.2, stray_s=10.0, quiet_s=60.0, quiet_least_s=5.0)
ALL = range(12)
ENDS = 200.0


def images(at, numbers, association="a", **facts):
    return lambda c: [c.receive(instance(n, at=at, association=association, **facts)) for n in numbers], at


def release(at, association="a"):
    return lambda c: c.end(association_end(at=at, association=association)), at


def abort(at, association="a"):
    return lambda c: c.end(association_end(at=at, association=association, aborted=True)), at


def step(at, numbers, state=StepState.COMPLETED, uid="1.9"):
    listed = {"1.2.115": frozenset(f"1.2.115.{n}" for n in numbers)}
    return lambda c: c.report(StepReport(step_uid=uid, reported_at=at, state=state, images=listed)), at


def begun(at):
    return step(at, (), StepState.IN_PROGRESS)


def used_to(pause):
    return lambda c: c.recall("SCANNER", Rhythm((pause,) * 100)), 0.0


GAP = [n for n in ALL if n != 5]
EVEN, ODD = range(0, 12, 2), range(1, 12, 2)
FRAMES = {"frames": 40, "place": None}

TABLE = {
    # expected count, closed geometry
    "announced and whole": ([images(1, ALL, expected=12)], [(1.0, "geometry", False, 12)]),
    "announced, one by one": (
        [images(1 + n, [n], expected=12) for n in ALL],
        [(12.0, "geometry", False, 12)],
    ),
    "announced too many": ([images(1, ALL, expected=24), release(2)], [(2.2, "release", False, 12)]),
    "announced, with a gap": ([images(1, GAP, expected=11), release(2)], [(12.0, "release", True, 11)]),
    # NumberOfFrames, concatenation
    "one multi-frame object": ([images(1, [0], **FRAMES), release(2)], [(2.2, "release", False, 1)]),
    "a concatenation": (
        [images(1, [0, 1], **FRAMES, expected=3), images(2, [2], **FRAMES, expected=3)],
        [(2.0, "geometry", False, 3)],
    ),
    "a concatenation lacks a part": (
        [images(1, [0, 1], **FRAMES, expected=3), release(2)],
        [(12.0, "release", True, 2)],
    ),
    "the last object is cut": (
        [images(1, [0, 1, 2], **FRAMES), images(2, [3], frames=17, place=None), release(3)],
        [(13.0, "release", True, 4)],
    ),
    # association released
    "released and whole": ([images(1, ALL), release(2)], [(2.2, "release", False, 12)]),
    "released with a gap": ([images(1, GAP), release(2)], [(12.0, "release", True, 11)]),
    "released, no volume": ([images(1, [0]), release(2)], [(12.0, "release", False, 1)]),
    "released before the last image": ([images(1, EVEN), release(2), images(2.1, ODD)], [(62.1, "quiet", True, 12)]),
    "two associations": (
        [images(1, EVEN), images(1, ODD, "b"), release(2), release(30, "b")],
        [(30.2, "release", False, 12)],
    ),
    "interleaved on two": (
        [images(1 + n, [n], "ab"[n % 2]) for n in ALL] + [release(13), release(14, "b")],
        [(14.2, "release", False, 12)],
    ),
    "an association for every image, slowly": (
        [event for n in ALL for event in (images(3 * n + 1, [n], str(n)), release(3 * n + 2, str(n)))],
        [(45.0, "release", False, 12)],
    ),
    "aborted": ([images(1, ALL), abort(2)], [(61.0, "quiet", True, 12)]),
    "aborted and resumed": (
        [images(1, EVEN), abort(2), images(8, ODD, "b"), release(9, "b")],
        [(9.2, "release", False, 12)],
    ),
    "resumed before the abort was noticed": (
        [images(1, EVEN), images(1.5, ODD, "b"), release(1.8, "b"), abort(2)],
        [(2.2, "release", False, 12)],
    ),
    "one of two aborted, and not resumed": (
        [
            images(1, EVEN),
            images(1.5, range(1, 6, 2), "b"),
            images(2, range(7, 11), "b"),
            abort(3, "b"),
            images(4, [11]),
            release(5),
        ],
        [(64.0, "quiet", True, 12)],
    ),
    "one of two aborted, and resumed": (
        [
            images(1, EVEN),
            images(1.5, range(1, 6, 2), "b"),
            abort(3, "b"),
            images(4, range(7, 12), "c"),
            release(5),
            release(6, "c"),
        ],
        [(6.2, "release", False, 12)],
    ),
    "aborted, but the count was met": (
        [
            images(0.5, EVEN, "b", expected=12),
            images(1, range(1, 11, 2), expected=12),
            abort(2),
            images(3, [11], "b", expected=12),
        ],
        [(3.0, "geometry", False, 12)],
    ),
    "duplicated": ([images(1, ALL), images(2, ALL), release(3)], [(3.2, "release", False, 12)]),
    # late
    "a late slice fills the gap": (
        [images(1, GAP), release(2), images(30, [5], "b"), release(31, "b")],
        [(12.0, "release", True, 11), (31.2, "release", False, 12)],
    ),
    "a late slice was not missed": (
        [images(1, range(11)), release(2), images(30, [11], "b"), release(31, "b")],
        [(2.2, "release", False, 11), (41.0, "release", False, 12)],
    ),
    "a missing slice comes before the series was closed": (
        [images(1, GAP), release(2), images(5, [5], "b"), release(6, "b")],
        [(6.2, "release", False, 12)],
    ),
    # procedure step
    "the step before the images": ([begun(0), step(1, ALL), images(5, ALL)], [(5.0, "mpps", False, 12)]),
    "the step between the images": (
        [images(1, EVEN), step(2, ALL), images(5, ODD)],
        [(5.0, "mpps", False, 12)],
    ),
    "the step after the images": ([images(1, ALL), step(20, ALL)], [(20.0, "mpps", False, 12)]),
    "the step again and again": (
        [step(1, ALL), images(5, ALL), step(6, ALL), step(7, GAP)],
        [(5.0, "mpps", False, 12)],
    ),
    "an ended step is not changed": (
        [step(1, ALL), step(2, GAP), images(5, GAP), release(6)],
        [(15.0, "mpps", True, 11)],
    ),
    "the step comes while a gap is waited for": (
        [images(1, GAP), release(2), step(5, ALL)],
        [(15.0, "mpps", True, 11)],
    ),
    "the step lists less than came": ([images(1, ALL), step(2, GAP)], [(2.0, "mpps", False, 12)]),
    "the step lists more than comes": (
        [step(1, ALL), images(5, range(11)), release(6)],
        [(15.0, "mpps", True, 11)],
    ),
    "the step lists more, and the count is met": (
        [step(1, ALL), images(5, range(11), expected=11), release(6)],
        [(15.0, "mpps", True, 11)],
    ),
    "the missing image comes in time": (
        [step(1, ALL), images(5, range(11)), release(6), images(9, [11], "b")],
        [(9.0, "mpps", False, 12)],
    ),
    "the step tells late what is missing": (
        [images(1, range(11)), release(2), step(50, ALL)],
        [(2.2, "release", False, 11), (60.0, "mpps", True, 11)],
    ),
    "the step tells late that nothing is": (
        [images(1, GAP), release(2), step(50, GAP)],
        [(12.0, "release", True, 11), (50.0, "mpps", False, 11)],
    ),
    "the step agrees": ([images(1, ALL), release(2), step(50, ALL)], [(2.2, "release", False, 12)]),
    "discontinued, whole": ([step(1, ALL, StepState.DISCONTINUED), images(5, ALL)], [(5.0, "mpps", False, 12)]),
    "discontinued, cut": ([step(1, GAP, StepState.DISCONTINUED), images(5, GAP)], [(5.0, "mpps", True, 11)]),
    "two steps share a series": (
        [step(1, EVEN), step(2, ODD, uid="1.8"), images(3, EVEN), images(7, ODD)],
        [(7.0, "mpps", False, 12)],
    ),
    "a step in progress says nothing": (
        [step(1, ALL, StepState.IN_PROGRESS), images(5, range(11)), release(6)],
        [(6.2, "release", False, 11)],
    ),
    # quiet time
    "silence": ([images(1, ALL)], [(61.0, "quiet", True, 12)]),
    "silence, then the release": (
        [images(1, ALL), release(100)],
        [(61.0, "quiet", True, 12), (100.2, "release", False, 12)],
    ),
    "silence, then the abort": ([images(1, ALL), abort(100)], [(61.0, "quiet", True, 12)]),
    "silence of a quick scanner": ([used_to(0.1), images(1, ALL)], [(6.0, "quiet", True, 12)]),
    "silence of a slow scanner": ([used_to(10.0), images(1, ALL)], [(21.0, "quiet", True, 12)]),
    "silence of a scanner that dawdles": ([used_to(1000.0), images(1, ALL)], [(61.0, "quiet", True, 12)]),
    "a pause longer than the quiet time": (
        [images(1, EVEN), images(100, ODD), release(101)],
        [(61.0, "quiet", True, 6), (101.2, "release", False, 12)],
    ),
}


def closings(story):
    """(time to a tenth, closed by, partial, images) of every closing; the clock goes in tenths of a second."""
    completion, found, revisions = Completion(PATIENCE), [], {}
    left = sorted(story, key=lambda event: event[1])
    for tenth in range(int(10 * ENDS)):
        now = tenth / 10
        while left and left[0][1] <= now:
            left.pop(0)[0](completion)
        for series in completion.due(now + 1e-9):
            revisions[series.series_instance_uid] = revisions.get(series.series_instance_uid, 0) + 1
            assert revisions[series.series_instance_uid] == series.revision
            found.append((now, series.closed_by.value, series.partial, len(series.instances)))
    return found


@pytest.mark.parametrize("name", TABLE)
def test_every_story_ends_as_the_table_says(name):
    story, expected = TABLE[name]

    assert expected == closings(story)


@pytest.mark.parametrize("name", TABLE)
def test_a_series_beside_it_changes_nothing(name):
    story, expected = TABLE[name]
    beside = [(0.5, "geometry", False, 12)]

    def other(completion):
        for n in ALL:
            completion.receive(instance(n, series="t", at=0.5, association="z", expected=12))

    assert sorted(expected + beside) == sorted(closings([*story, (other, 0.5)]))
