"""brain-t1 says of the same heads what it said when the record was made: a change of structure changes no answer."""

import json

import pytest
from builders.judging.judging import judge_of
from builders.judging.record import HEADS, RECORD, decisions, head, parts, pixels, told

#: What another machine's arithmetic may change (the golden test tolerates as much).
TOLERANCE = 0.02


@pytest.fixture(scope="module")
def record():
    return json.loads(RECORD.read_text())


def alike(expected, found):
    """The same words and, but for rounding, the same numbers."""
    (words, numbers), (found_words, found_numbers) = parts(expected), parts(found)
    return words == found_words and numbers == pytest.approx(found_numbers, rel=TOLERANCE, abs=2e-3)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_answered_as_it_was(record, name):
    expected, found = record["heads"][name], told(judge_of(head(name)))
    verdict, found_verdict = expected["verdict"], found["verdict"]

    assert [verdict[key] for key in ("state", "cause", "action")] == [
        found_verdict[key] for key in ("state", "cause", "action")
    ]
    assert verdict["rating"] == pytest.approx(found_verdict["rating"], abs=2)
    assert len(verdict["reasons"]) == len(found_verdict["reasons"])
    assert all(map(alike, verdict["reasons"], found_verdict["reasons"]))
    assert expected["body part"] == found["body part"]
    assert len(expected["tree"]) == len(found["tree"])
    assert [] == [pair for pair in zip(expected["tree"], found["tree"], strict=True) if not alike(*pair)]
    assert 1.0 > abs(pixels(expected["picture"]) - pixels(found["picture"])).mean()


def test_assessments_are_decided_as_they_were(record):
    assert record["decisions"] == decisions()
