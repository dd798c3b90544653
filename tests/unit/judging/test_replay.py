"""Recorded verdicts under other thresholds."""

import json
from dataclasses import fields, replace

import pytest
from builders.judging.values import assessment, manifest
from cattrs import Converter
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.judging.verdict import decide
from daemon.core.measures import Assessment
from daemon.core.people.replay import Recorded, replay
from daemon.core.values import State
from models.manifest import Thresholds
from models.physics.artefacts import Artefact

CONVERTER = Converter()
LEVEL = 0.01


def kept(found: Assessment) -> Assessment:
    """As it comes back from the database."""
    return CONVERTER.structure(json.loads(json.dumps(CONVERTER.unstructure(found))), Assessment)


def recorded(found: Assessment, remark: str = "") -> Recorded:
    return Recorded(
        card_id="c", scanner="MR1", protocol="t1", digest="d", verdict=decide(found, manifest(), remark),
        assessment=kept(found), judged_at=0.0,
    )  # fmt: skip


def with_p(found: Assessment, p: float) -> Assessment:
    measures = [one if one.limit is None else replace(one, p_value=p, level=LEVEL) for one in found.measures]
    return replace(found, measures=tuple(measures))


@given(
    st.dictionaries(st.sampled_from(list(Artefact)), st.floats(0, 2), max_size=3),
    st.floats(0, 2),
    st.floats(0, 5) | st.none(),
    st.sampled_from(["", "read as two halves"]),
    st.floats(0, 1),
)
def test_at_the_old_thresholds_a_verdict_is_the_recorded_one_bit_for_bit(levels, entropy, distance, remark, p):
    for found in (assessment(levels, entropy, distance=distance), with_p(assessment(levels, entropy), p)):
        one = recorded(found, remark)

        assert one.verdict == replay(one, {"d": manifest()}, {}).verdict
        assert repr(one.verdict) == repr(replay(one, {"d": manifest()}, {}).verdict)


@pytest.mark.parametrize(("alpha", "state"), [(0.5, False), (20.0, True)], ids=["stricter", "looser"])
def test_another_alpha_moves_the_levels_of_p_values(alpha, state):
    one = recorded(with_p(assessment({Artefact.MOTION: 0.5}), 0.015))
    base = manifest().thresholds.alpha
    found = replay(one, {"d": manifest()}, {"alpha": base * alpha})

    assert State.ACCEPT is one.verdict.state
    assert state is (found.verdict.state is not State.ACCEPT)


def test_what_was_not_assessed_is_not_replayed():
    one = replace(recorded(assessment()), assessment=None)

    assert replay(one, {"d": manifest()}, {}) is None


def test_every_threshold_may_be_asked_for():
    one = recorded(assessment({Artefact.NOISE: 0.5}))
    for field in fields(Thresholds):
        assert replay(one, {"d": manifest()}, {field.name: getattr(manifest().thresholds, field.name)})
