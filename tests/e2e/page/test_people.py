"""What people do on the pages: axe finds nothing wrong, keys are enough, the real server keeps its promises."""

from collections.abc import Iterator

import pytest
from builders.page.axe import violations
from builders.page.board import RESCAN, MemoryBoard, card, gate, head_png, mixture, pictures, sources
from builders.page.browser import browser
from builders.page.page import focused, load, press, wait, words
from prometheus_client import CollectorRegistry
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from daemon.core.people.access import Role
from daemon.core.people.words import Language
from daemon.edge.web.server import Address, serve


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("profile"), size=(1280, 1000)) as chrome:
        yield chrome


@pytest.mark.parametrize("language", list(Language))
def test_axe_finds_nothing_wrong_with_the_wall_a_scanner_an_exam_that_is_over_and_an_enlarged_picture(chrome, language):
    board = MemoryBoard(mixture(), pictures(mixture()))
    board.put(card("over", verdict=RESCAN, scanner="MR 3"), head_png(size=(128, 96)))
    board.next_patient("MR 3")
    over = board.earlier("MR 3", 1)[0].exam.exam_id
    found = {}
    with serve(sources(board, ("The disk is full.",), language=language), CollectorRegistry(), Address()) as server:
        for path in ("", "scanners/MR%201", f"exams/{over}", "scanners/nobody"):
            load(chrome, server, path)
            found[path] = violations(chrome)
        load(chrome, server, "scanners/MR%201")
        wait(chrome, lambda: chrome.find_elements(By.CSS_SELECTOR, ".picture:not([hidden])"))
        chrome.find_element(By.CSS_SELECTOR, ".picture:not([hidden])").click()
        found["enlarged"] = violations(chrome)
        chrome.get("about:blank")

    assert {path: [] for path in found} == found


@pytest.mark.parametrize("language", list(Language))
def test_axe_finds_nothing_wrong_with_the_login(chrome, language):
    shown = sources(MemoryBoard(mixture()), gate=gate(loopback=False), language=language)
    with serve(shown, CollectorRegistry(), Address()) as server:
        chrome.get(f"http://127.0.0.1:{server.port}/")
        wait(chrome, lambda: chrome.find_elements(By.CSS_SELECTOR, "#login input"))
        found = violations(chrome)
        chrome.get("about:blank")

    assert [] == found


def test_by_keyboard_alone_somebody_logs_in_answers_and_logs_out(chrome):
    board, entrance = MemoryBoard([card("one", verdict=RESCAN)]), gate(loopback=False)
    entrance.users.put("anna", Role.RADIOGRAPHER, "a good long password")
    with serve(sources(board, gate=entrance), CollectorRegistry(), Address()) as server:
        chrome.get(f"http://127.0.0.1:{server.port}/")
        wait(chrome, lambda: chrome.find_elements(By.CSS_SELECTOR, "#login input"))
        press(chrome, "anna", Keys.TAB, "a good long password", Keys.ENTER)
        wait(chrome, lambda: ["RESCAN"] == words(chrome))
        press(chrome, "a", "1")
        wait(chrome, lambda: board.current()[0].cards[0].answer)
        by = board.current()[0].cards[0].answer.by
        for _ in range(30):
            if "leave" == focused(chrome):
                break
            press(chrome, Keys.TAB)
        press(chrome, Keys.ENTER)
        wait(chrome, lambda: chrome.find_elements(By.CSS_SELECTOR, "#login input"))
        chrome.get("about:blank")

    assert "anna" == by
