"""Which exam a scanner is at, in both databases."""

import pytest
from builders.running.database import opened

from daemon.core.people.exams import PatientHint, Whose
from daemon.edge.database.studies.exams import Exams

NOON = 1_772_366_400.0  # 2026-03-01 12:00 UTC
MR1, MR2 = "MR 1", "MR 2"


@pytest.fixture
def exams(url):
    with opened(url) as engine:
        yield Exams(engine, b"key", PatientHint.INITIALS)


def whose(study="1.1", patient="anna", acquired="", **more):
    return Whose(study_instance_uid=study, patient=patient, acquired=acquired, **more)


def at_now(exams, scanner=MR1):
    return [exam.exam_id for exam in exams.current() if exam.scanner == scanner]


def test_the_series_of_a_patients_study_are_one_exam_whatever_their_order(exams):
    found = {exams.enter(MR1, whose(), NOON + n, f"1.1.{n}") for n in (3, 1, 2)}

    assert [*found] == at_now(exams)
    assert {"1.1.1", "1.1.3"} == {*exams.entries(["1.1.1", "1.1.3", "9"])}


@pytest.mark.parametrize(
    "next_one",
    [whose("1.2", "berta"), whose("1.2", ""), whose("1.2", "anna"), whose("1.1", "berta")],
    ids=["another patient", "another study of nobody", "another study", "another patient in the same study"],
)
def test_the_next_patient_or_study_ends_the_exam(exams, next_one):
    first = exams.enter(MR1, whose(), NOON, "1.1.1")
    second = exams.enter(MR1, next_one, NOON + 60, "1.2.1")

    assert [second] == at_now(exams)
    assert NOON + 60 == exams.exam(first).over_at


def test_an_exam_ends_on_its_own_scanner_only(exams):
    first = exams.enter(MR1, whose(), NOON, "1.1.1")
    exams.enter(MR2, whose("1.2", "berta"), NOON + 1, "1.2.1")

    assert [first] == at_now(exams)


def test_a_procedure_step_begins_the_next_exam_before_its_first_image(exams):
    exams.enter(MR1, whose(), NOON, "1.1.1")
    begun = exams.enter(MR1, whose("1.2", "berta"), NOON + 30)

    assert [begun] == at_now(exams)
    assert begun == exams.enter(MR1, whose("1.2", "berta"), NOON + 90, "1.2.1")


def test_a_late_series_of_an_exam_that_is_over_belongs_to_it_and_clears_nothing(exams):
    first = exams.enter(MR1, whose(acquired="20260301115000"), NOON, "1.1.1")
    second = exams.enter(MR1, whose("1.2", "berta", "20260301120000"), NOON + 60, "1.2.1")

    assert first == exams.enter(MR1, whose(acquired="20260301115500"), NOON + 70, "1.1.2")
    assert [second] == at_now(exams)


def test_a_patient_who_is_scanned_again_after_another_is_at_it_again(exams):
    first = exams.enter(MR1, whose(acquired="20260301115000"), NOON, "1.1.1")
    exams.enter(MR1, whose("1.2", "berta", "20260301120000"), NOON + 60, "1.2.1")
    exams.enter(MR1, whose(acquired="20260301121000"), NOON + 900, "1.1.3")

    assert [first] == at_now(exams)


def test_an_old_study_that_is_sent_again_does_not_clear_the_page(exams):
    now = exams.enter(MR1, whose(acquired="20260301115000"), NOON, "1.1.1")
    old = exams.enter(MR1, whose("1.9", "berta", "20260228090000"), NOON + 60, "1.9.1")

    assert [now] == at_now(exams)
    assert exams.exam(old).over_at is not None


def test_a_first_image_that_says_nothing_of_its_patient_joins_its_study(exams):
    first = exams.enter(MR1, whose(patient=""), NOON, "1.1.1")

    assert {first} == {exams.enter(MR1, whose(patient=name), NOON + 9, f"1.1.{name}") for name in ("anna", "", "anna")}
    assert first != exams.enter(MR1, whose(patient="berta"), NOON + 10, "1.1.9")


def test_told_again_after_a_restart_nothing_changes(exams):
    exams.enter(MR1, whose(), NOON, "1.1.1")
    second = exams.enter(MR1, whose("1.2", "berta"), NOON + 60, "1.2.1")
    exams.enter(MR1, whose(), NOON, "1.1.1")

    assert [second] == at_now(exams)


def test_no_patient_is_kept_but_what_is_configured(exams, url):
    exams.enter(MR1, whose(patient="4711\nMuster^Anna\n19700101", hint="A. M."), NOON, "1.1.1")
    with opened(url) as engine, engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM exams").all()
        shut = Exams(engine, b"key", PatientHint.NONE)
        hidden = shut.current()[0].hint
        shut.forget_hints()

    assert "A. M." in str(rows)
    assert not {"4711", "Muster", "1970"} & {word for word in ("4711", "Muster", "1970") if word in str(rows)}
    assert "" == hidden == exams.current()[0].hint


def test_the_exams_of_a_scanner_are_found_again_newest_first(exams):
    begun = [exams.enter(MR1, whose(f"1.{n}", f"p{n}"), NOON + n, f"1.{n}.1") for n in range(5)]

    assert begun[:1:-1] == [exam.exam_id for exam in exams.of_scanner(MR1, 3)]
    assert begun[1::-1] == [exam.exam_id for exam in exams.of_scanner(MR1, 3, before=NOON + 2)]
