from hypothesis import given
from hypothesis import strategies as st

from daemon.dicom.text import plain


@given(st.text(), st.integers(1, 80))
def test_our_words_are_right_in_every_character_set(text, limit):
    words = plain(text, limit)

    assert words.isascii()
    assert words.isprintable()
    assert limit >= len(words)
    assert not set(words) & {"\\", "~"}
    assert words == words.strip()
    assert words == plain(words, limit)


def test_letters_lose_their_accents():
    assert "Schadel, cote" == plain("Scha\u0301del,\tcôté")


def test_german_is_spelled_without_its_own_letters():
    assert "Aerger ueber groessere Schaedel" == plain("A\u0308rger über größere Schädel")
