import re

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.values import ReportKind
from daemon.dicom.uids import CODING_SCHEME_UID, IMPLEMENTATION_CLASS_UID, derive_uid, series_number

parts = st.lists(st.text(max_size=8), max_size=4)


@given(parts)
def test_a_uid_is_valid_and_short(strings):
    assert re.fullmatch(r"2\.25\.(0|[1-9]\d*)", derive_uid(*strings))
    assert 44 >= len(derive_uid(*strings))


@given(parts, parts)
def test_different_parts_give_different_uids(one, other):
    assert (one == other) == (derive_uid(*one) == derive_uid(*other))


def test_a_part_that_moves_over_its_border_is_another_part():
    assert derive_uid("ab", "c") != derive_uid("a", "bc")
    assert derive_uid("1:a") != derive_uid("a")


def test_uids_never_change():
    """Archives know our objects by them: a change of this number makes every report a new one."""
    assert derive_uid("scanside") == "2.25.303530071615818799583560550968794212972"
    assert CODING_SCHEME_UID == "2.25.7718287273178905138705130971355266520"
    assert IMPLEMENTATION_CLASS_UID == "2.25.207712887862975423216801056632607313451"


@given(st.one_of(st.none(), st.integers()), st.sampled_from(ReportKind))
def test_report_series_are_numbered_above_the_scanners_own(source, kind):
    assert 90_000 <= series_number(source, kind) <= 99_999


def test_report_series_of_neighbouring_series_never_share_a_number():
    numbers = [series_number(source, kind) for source in range(500) for kind in ReportKind]

    assert len(numbers) == len(set(numbers))


def test_a_series_without_number_counts_as_zero():
    assert 90_000 == series_number(None, ReportKind.SR)
    assert 90_142 == series_number(7, ReportKind.SUMMARY)
