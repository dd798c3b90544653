"""The tables of verdicts: what was found, what was idle, against the same head clean."""

import json
from dataclasses import replace

import numpy as np
import pytest
from cattrs import Converter

from daemon.core.values import State
from models.physics.artefacts import ARTEFACTS
from training.evaluation.measure import Row
from training.harm.evaluated import Answer, Evaluated
from training.harm.verdict_tables import losses_of, rival_table, verdict_table
from training.harm.verdicts import read_judged


def row(dice, artefact):
    severity = {kind.value: float(kind.value == artefact) for kind in ARTEFACTS}
    return Row(name="sub-01", severity=severity, dice={"grey matter": dice}, scores={"entropy": 1 - dice}, causes={})


def image(number, artefact, dice, state, **answer):
    answers = {"old": Answer(state=state, cause="noise", presence={"noise": 0.9, "blur": 0.1}, **answer)}
    return Evaluated(
        key=str(number),
        head="sub-01",
        person="sub-01",
        artefact=artefact,
        simulator="own",
        labelled=True,
        row=row(dice, artefact),
        harm=0.0,
        rivals={"efc": float(number)},
        answers=answers,
    )


IMAGES = [
    image(0, "clean", 0.85, State.ACCEPT, expected=0.0, low=0.0, high=0.1),
    image(1, "noise", 0.60, State.RESCAN, expected=0.2, low=0.1, high=0.3),
    image(2, "noise", 0.84, State.RESCAN, expected=0.1, low=0.06, high=0.2),
    image(3, "motion", 0.70, State.ACCEPT, expected=0.1, low=0.0, high=0.2),
]


def line(images, what):
    return next(found for found in verdict_table(images) if found.startswith(f"| {what} |"))


def test_a_loss_is_against_the_same_head_clean():
    np.testing.assert_allclose([0.0, 0.25, 0.01, 0.15], losses_of(IMAGES))


def test_without_labels_a_loss_is_the_harm_and_without_a_head_everything():
    unlabelled = replace(image(4, "noise", 0.0, State.RESCAN), labelled=False, harm=0.3)
    nothing = replace(unlabelled, row=replace(unlabelled.row, scores={}))

    np.testing.assert_allclose([0.3, 1.0], losses_of([unlabelled, nothing]))


def test_a_rescan_of_what_lost_nothing_is_idle():
    assert "| 1 of 2 (" in line(IMAGES, "RESCANs that lost <= 0.05")


def test_what_was_hurt_is_found_unless_it_is_accepted():
    assert "| 1 of 2 (1% to 99%) |" in line(IMAGES, "lost > 0.1: not accepted")
    assert "RESCAN 1" in line(IMAGES, "lost > 0.1")


def test_a_cause_is_right_where_its_presence_is_the_strongest():
    assert "| 1 of 2 (" in line(IMAGES, "cause first, lost > 0.05")


def test_intervals_are_counted_where_a_loss_is_told():
    assert "| 3 of 4 (" in line(IMAGES, "loss inside its interval (nominal 90 %)")
    untold = [replace(one, answers={"old": replace(one.answers["old"], expected=np.nan)}) for one in IMAGES]
    assert "| none |" in line(untold, "loss inside its interval (nominal 90 %)")
    assert "| not told |" in line(untold, "rho of the expected loss with the true one")


def test_every_measure_has_a_line_and_none_that_nobody_has():
    lines = [*rival_table(IMAGES)]

    assert any(one.startswith("| expected loss, old |") for one in lines)
    assert any(one.startswith("| efc |") for one in lines)
    assert not any("snr" in one for one in lines)


def test_a_line_that_was_left_half_is_judged_again(tmp_path):
    table = tmp_path / "judged.jsonl"
    whole = json.dumps(Converter().unstructure(IMAGES[0]))
    table.write_text(whole + "\n" + whole[: len(whole) // 2])

    assert [IMAGES[0]] == [*read_judged(table)]
    assert [] == [*read_judged(tmp_path / "nothing.jsonl")]


@pytest.mark.parametrize("state", State)
def test_a_verdict_survives_its_file(tmp_path, state):
    table = tmp_path / "judged.jsonl"
    table.write_text(json.dumps(Converter().unstructure(image(0, "clean", 0.8, state, expected=0.1))) + "\n")

    assert [state] == [one.answers["old"].state for one in read_judged(table)]
