"""The exam as the frame of the page, and a person's answers, in a real browser against the real server."""

import json
from collections.abc import Iterator

import httpx
import pytest
from builders.judging.values import assessment, manifest
from builders.page.board import ACCEPT, RESCAN, MemoryBoard, card, head_png, sources
from builders.page.browser import browser
from builders.page.page import focused, load, press, read, start, wait, words
from prometheus_client import CollectorRegistry
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from daemon.config import shipped_bundles
from daemon.core.errors import Reason
from daemon.core.judging.verdict import decide, decline
from daemon.core.people.card import Choice
from daemon.core.people.words import Language
from daemon.core.values import Stage
from daemon.edge.files.bundle_words import read_translation
from daemon.edge.web.server import Address, serve
from models.physics.artefacts import Artefact

RESCANNED = card("one", verdict=RESCAN, number=3)


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("profile")) as chrome:
        yield chrome


@pytest.fixture
def board() -> MemoryBoard:
    return MemoryBoard([RESCANNED], {"one": head_png(size=(128, 96))})


def plays(chrome: Chrome) -> int:
    """How often the sound was started, as the media element itself tells."""
    return chrome.execute_script("return window.played || 0")


def listen(chrome: Chrome) -> None:
    chrome.execute_script(
        "window.played = 0; document.querySelector('audio').addEventListener('playing', () => { window.played += 1; })"
    )


def test_the_next_patient_clears_the_page_and_the_first_one_is_found_under_her_exam(chrome, board):
    with start(board) as server:
        load(chrome, server, "scanners/MR%201")
        assert ["RESCAN"] == words(chrome)
        board.next_patient("MR 1")
        wait(chrome, lambda: [] == words(chrome))
        board.put(card("two", age_s=1, verdict=None, seconds=None, stage=Stage.RECEIVING, images=34, expected=176))
        wait(chrome, lambda: ["Receiving"] == words(chrome))

        assert "34 of 176 images" == read(chrome, ".cause")
        link = chrome.find_element(By.CSS_SELECTOR, "#earlier a")
        assert "1 RESCAN without an answer" in link.text
        link.click()
        wait(chrome, lambda: ["RESCAN"] == words(chrome))
        assert "Exam over" == read(chrome, ".over")
        chrome.get("about:blank")


def test_a_rescan_survives_five_hundred_series_and_the_page_stays_usable(chrome, board):
    for number in range(500):
        board.put(card(f"c{number}", age_s=1, verdict=ACCEPT, description=f"p{number}", number=number))
    with start(board) as server:
        load(chrome, server)

        assert ("RESCAN", 501) == (words(chrome)[0], len(words(chrome)))
        press(chrome, "a", "2")
        wait(chrome, lambda: board.scanner("MR 1").cards[-1].answer)
        chrome.get("about:blank")


def test_two_keys_answer_and_every_open_page_shows_it(chrome, board):
    with start(board) as server:
        load(chrome, server)
        chrome.switch_to.new_window("tab")
        load(chrome, server, "scanners/MR%201")
        press(chrome, "a", "4")
        for tab in chrome.window_handles:
            chrome.switch_to.window(tab)
            wait(chrome, lambda: read(chrome, ".given").startswith("Answered: Wrong call (console"))
            assert not chrome.find_elements(By.CSS_SELECTOR, ".calls")
        chrome.close()
        chrome.switch_to.window(chrome.window_handles[0])

        (shown,) = board.scanner("MR 1").cards
        assert Choice.WRONG is shown.answer.choice
        chrome.get("about:blank")


def test_an_answer_has_a_reason_and_can_be_changed_by_keyboard_alone(chrome, board):
    with start(board) as server:
        load(chrome, server)
        press(chrome, "a", "r")
        press(chrome, "j3", Keys.ENTER)  # typed into the reason, no shortcuts; Enter goes back to the card
        press(chrome, "3")
        wait(chrome, lambda: "Answered: Not possible" in read(chrome, ".given") and ": j3" in read(chrome, ".given"))
        press(chrome, "1")
        wait(chrome, lambda: "Answered: Repeated" in read(chrome, ".given"))
        chrome.get("about:blank")


def test_shortcuts_can_be_turned_off(chrome, board):
    with start(board) as server:
        load(chrome, server)
        chrome.find_element(By.ID, "keys").click()
        press(chrome, "a", "4")
        assert "keys" == focused(chrome)
        chrome.find_element(By.ID, "keys").click()

        assert board.scanner("MR 1").cards[0].answer is None
        chrome.get("about:blank")


def test_a_rescan_sounds_once_and_not_at_all_when_muted(chrome):
    board = MemoryBoard()
    with start(board) as server:
        load(chrome, server)
        chrome.find_element(By.TAG_NAME, "footer").click()  # browsers play nothing before somebody touched the page
        listen(chrome)
        board.put(RESCANNED)
        wait(chrome, lambda: plays(chrome))
        board.put(card("other", age_s=1, description="t2"))
        wait(chrome, lambda: 2 == len(words(chrome)))
        assert 1 == plays(chrome)

        chrome.find_element(By.ID, "sound").click()
        assert "Sound off" == read(chrome, "#sound")
        board.put(card("again", age_s=1, verdict=RESCAN, description="t3"))
        wait(chrome, lambda: 2 == len(chrome.find_elements(By.CSS_SELECTOR, ".calls")))
        assert 1 == plays(chrome)
        chrome.find_element(By.ID, "sound").click()
        chrome.get("about:blank")


def test_the_page_speaks_german_where_it_is_told_to_and_so_do_verdicts_and_bundles(chrome, board):
    board.put(card("two", verdict=decline(Reason.UNROUTED)))
    board.put(card("three", verdict=decide(assessment({Artefact.MOTION: 2.0}), manifest()), description="t2"))
    german = read_translation(Language.GERMAN, shipped_bundles().values())
    shown = sources(board, language=Language.GERMAN, translation=german)
    with serve(shown, CollectorRegistry(), Address()) as server:
        load(chrome, server)

        assert ["WIEDERHOLEN"] * 2 == words(chrome)
        assert "Bewegung" == read(chrome, "#card-three .cause")
        assert "Mit dem Patienten sprechen, den Kopf polstern, dann wiederholen." == read(chrome, "#card-three .action")
        chrome.find_element(By.CSS_SELECTOR, ".quiet summary").click()
        assert "kein Modell für diese Serie" in read(chrome, ".quiet li")
        assert "4 Fehlalarm" == chrome.find_element(By.CSS_SELECTOR, "[data-choice=wrong]").text
        assert "de" == chrome.execute_script("return document.documentElement.lang")
        chrome.get("about:blank")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"X-Scanside-Token": "guess"}, 403),
        ({"X-Scanside-Token": "TOKEN", "Origin": "http://evil.example"}, 403),
        ({"X-Scanside-Token": "TOKEN", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"X-Scanside-Token": "TOKEN", "Sec-Fetch-Site": "same-site"}, 403),
        ({"X-Scanside-Token": "TOKEN"}, 200),
    ],
    ids=["no token", "forged token", "foreign origin", "cross site", "sibling site", "our page"],
)
def test_only_a_page_of_ours_can_answer(board, headers, status):
    with start(board) as server:
        url = f"http://127.0.0.1:{server.port}"
        token = httpx.get(f"{url}/me").json()["token"]
        sent = {name: value.replace("TOKEN", token) for name, value in headers.items()}
        answer = httpx.post(f"{url}/cards/one/answer", json={"choice": "wrong", "revision": 1}, headers=sent)

        assert (status, status == 200) == (answer.status_code, bool(board.scanner("MR 1").cards[0].answer))


@pytest.mark.parametrize(
    ("card_id", "sent", "status"),
    [
        ("one", {"choice": "perhaps", "revision": 1}, 400),
        ("one", {"choice": "wrong", "revision": "1"}, 400),
        ("one", {"choice": "wrong", "revision": 10**30}, 400),
        ("one", {"choice": "wrong"}, 400),
        ("one", [], 400),
        ("one", None, 400),
        ("one", {"choice": "wrong", "revision": 1, "reason": 5}, 400),
        ("one", {"choice": "wrong", "revision": 2}, 404),
        ("nobody", {"choice": "wrong", "revision": 1}, 404),
        ("..%2fone", {"choice": "wrong", "revision": 1}, 404),
        ("one", {"choice": "wrong", "revision": 1, "reason": "x" * 5000}, 413),
        ("one", {"choice": "wrong", "revision": 1, "reason": "a\n\0<b>" + "y" * 300}, 200),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused_and_keeps_nothing(board, card_id, sent, status):
    with start(board) as server:
        url = f"http://127.0.0.1:{server.port}"
        token = httpx.get(f"{url}/me").json()["token"]
        headers = {"X-Scanside-Token": token, "Content-Type": "application/json"}
        answer = httpx.post(f"{url}/cards/{card_id}/answer", content=json.dumps(sent), headers=headers)
        kept = board.scanner("MR 1").cards[0].answer

        assert (status, status == 200) == (answer.status_code, kept is not None)
        assert kept is None or (200 == len(kept.reason) and kept.reason.startswith("a<b>y"))
