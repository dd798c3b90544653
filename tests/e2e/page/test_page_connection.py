"""What the page shows when the daemon goes, hangs, comes back or is upgraded."""

import threading
import urllib.request
from collections.abc import Iterator

import pytest
from builders.page.board import ACCEPT, RESCAN, MemoryBoard, card, head_png
from builders.page.browser import browser
from builders.page.page import load, press, read, start, wait, was_reloaded, words
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from daemon.edge.web import app

PICTURE = head_png(size=(256, 192))


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("profile")) as chrome:
        yield chrome


def test_the_page_says_since_when_the_daemon_is_gone_and_recovers_by_itself(chrome: Chrome) -> None:
    board = MemoryBoard([card(verdict=ACCEPT)])
    server = start(board)
    load(chrome, server)
    assert "" == read(chrome, "#lost")
    # The page's clock stands still: no waiting for a missing beat, the broken connection alone must tell.
    chrome.execute_script("const now = Date.now(); Date.now = () => now")

    server.stop()
    wait(chrome, lambda: read(chrome, "#lost").startswith("Connection lost since "))
    assert "Not live" == read(chrome, "#state")
    assert "grayscale(1)" == chrome.find_element(By.ID, "exams").value_of_css_property("filter")
    assert "Connection lost | Scanside" == chrome.title

    board.put(card("new", age_s=1, verdict=RESCAN, description="t2"))
    with start(board, server.port):
        wait(chrome, lambda: "Live" == read(chrome, "#state"))
        assert "" == read(chrome, "#lost")
        assert ["RESCAN", "ACCEPT"] == words(chrome)
        assert "none" == chrome.find_element(By.ID, "exams").value_of_css_property("filter")
        assert not was_reloaded(chrome)
        chrome.get("about:blank")


def test_an_open_page_answers_a_daemon_that_was_started_anew(chrome: Chrome) -> None:
    """Its token is that of a daemon which is no more."""
    board = MemoryBoard([card("one", verdict=RESCAN)])
    server = start(board)
    load(chrome, server)
    server.stop()
    wait(chrome, lambda: read(chrome, "#lost"))
    with start(board, server.port):
        wait(chrome, lambda: "Live" == read(chrome, "#state"))
        press(chrome, "a", "4")
        wait(chrome, lambda: read(chrome, ".given").startswith("Answered: Wrong call"))
        assert not was_reloaded(chrome)
        chrome.get("about:blank")


def test_of_snapshots_that_come_faster_than_they_are_drawn_the_newest_is(chrome: Chrome) -> None:
    """A slow console would fall behind by minutes otherwise, and show a verdict when the patient has gone."""
    burst = """
        const [newest, ended] = [arguments[0], arguments[arguments.length - 1]];
        const shown = show;
        let drawn = 0;
        show = (snapshot) => { drawn += 1; shown(snapshot); };
        source.onmessage = null;  // nothing else comes
        fetch("/cards").then((answer) => answer.json()).then((older) => {
          setTimeout(() => {
            for (let n = 0; n < 200; n += 1) receive({ data: JSON.stringify(older) });
            receive({ data: newest });
            drawn = 0;
            setTimeout(() => ended(drawn), 1000);
          }, 200);
        });
    """
    board = MemoryBoard([card(verdict=ACCEPT)])
    with start(board) as server:
        load(chrome, server)
        board.put(card("new", age_s=1, verdict=RESCAN, description="t2"))
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/cards") as answer:
            newest = answer.read().decode()
        board.put(card("new", age_s=1, verdict=ACCEPT, description="t2"))

        assert 1 == chrome.execute_async_script(burst, newest)
        assert ["RESCAN", "ACCEPT"] == words(chrome)
        chrome.get("about:blank")


def test_a_daemon_that_hangs_is_not_shown_as_live(chrome: Chrome) -> None:
    """The connection stays open and nothing comes: only the missing beat tells."""
    board, goes_on = MemoryBoard([card(verdict=ACCEPT)]), threading.Event()
    goes_on.set()
    version = board.version

    def version_when_it_goes_on() -> int:
        goes_on.wait()
        return version()

    board.version = version_when_it_goes_on  # type: ignore[method-assign]
    with start(board) as server:
        load(chrome, server)
        goes_on.clear()
        try:
            wait(chrome, lambda: read(chrome, "#lost").startswith("Connection lost since "))
        finally:
            goes_on.set()
        wait(chrome, lambda: "Live" == read(chrome, "#state"))
        chrome.get("about:blank")


def test_an_enlarged_picture_closes_when_the_connection_is_lost(chrome: Chrome) -> None:
    server = start(MemoryBoard([card("c1")], {"c1": PICTURE}))
    load(chrome, server)
    wait(chrome, lambda: chrome.find_element(By.CSS_SELECTOR, ".picture").is_displayed())
    chrome.find_element(By.CSS_SELECTOR, ".picture").click()
    assert chrome.find_element(By.ID, "closer").is_displayed()

    server.stop()
    wait(chrome, lambda: read(chrome, "#lost").startswith("Connection lost since "))
    assert not chrome.find_element(By.ID, "closer").is_displayed()
    chrome.get("about:blank")


def test_an_upgraded_daemon_makes_an_old_page_load_itself_again(
    chrome: Chrome, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = MemoryBoard()
    server = start(board)
    load(chrome, server)
    server.stop()
    monkeypatch.setattr(app, "_token", lambda: "another")
    with start(board, server.port):
        wait(chrome, lambda: was_reloaded(chrome) and "Live" == read(chrome, "#state"))
        chrome.get("about:blank")
