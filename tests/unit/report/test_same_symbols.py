"""The page and the picture draw a verdict alike, and call it by one word."""

import re
from pathlib import Path

import pytest

from daemon.core.people.words import Language, state_word, words_of
from daemon.core.values import State
from daemon.dicom.report.picture.palette import BANDS
from daemon.dicom.report.picture.symbols import _STROKES
from daemon.edge.web import app

STATIC = Path(app.__file__).parent / "static"
PAGE = (STATIC / "index.html").read_text()


def drawn_on_the_page(state):
    (inside,) = re.findall(rf'<symbol id="{state}"[^>]*>(.*?)</symbol>', PAGE)
    return inside


@pytest.mark.parametrize(
    ("state", "outline"),
    [
        (State.ACCEPT, '<circle cx="32" cy="32" r="27"/>'),
        (State.REVIEW, "M32 6 60 57H4z"),
        (State.RESCAN, "M21 4h22l17 17v22L43 60H21L4 43V21z"),
        (State.NOT_ASSESSED, 'stroke-dasharray="13 9.7"'),
    ],
)
def test_the_page_has_the_outline_that_the_picture_draws(state, outline):
    assert outline in drawn_on_the_page(state)


def test_the_picture_has_the_corners_of_the_page():
    octagon = [(21, 4), (43, 4), (60, 21), (60, 43), (43, 60), (21, 60), (4, 43), (4, 21)]

    assert [(32, 6), (60, 57), (4, 57)] == _STROKES[State.REVIEW][0][:-1]
    assert octagon == _STROKES[State.RESCAN][0][:-1]


def test_a_rescan_is_the_same_red_on_both():
    red = "#{:02x}{:02x}{:02x}".format(*BANDS[State.RESCAN].ground)

    assert f"--alarm: {red}" in (STATIC / "page.css").read_text()


def test_every_text_is_there_in_every_language_with_the_same_places():
    english = words_of(Language.ENGLISH)
    for language in Language:
        texts = words_of(language)
        assert {key: text.count("{}") for key, text in english.items()} == {k: t.count("{}") for k, t in texts.items()}
        assert all(texts.values())


def test_the_page_asks_for_no_text_that_is_not_there():
    source = "".join(
        (STATIC / name).read_text()
        for name in ("page.js", "connection.js", "answers.js", "login.js", "index.html", "login.html")
    )
    asked = {*re.findall(r'say\(\s*"([a-z_]+)"', source), *re.findall(r'data-say="([a-z_]+)"', source)}

    assert 40 < len(asked)
    assert set() == asked - set(words_of(Language.ENGLISH))


def test_a_verdict_is_called_by_its_own_word():
    assert ["ACCEPT", "REVIEW", "RESCAN", "NOT ASSESSED"] == [state_word(state) for state in State]
