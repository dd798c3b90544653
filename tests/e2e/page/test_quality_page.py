"""The page of a scanner over the weeks, in a real browser against the real server and a real database."""

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from builders.page.axe import violations
from builders.page.browser import browser
from builders.page.page import focused, press, read, wait
from builders.page.rooms import over, quality_rooms, start_rooms
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from daemon.core.people.access import LocalRole
from daemon.core.people.words import Language


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("profile"), size=(1280, 1000)) as chrome:
        yield chrome


@pytest.fixture
def rooms(tmp_path):
    with quality_rooms(tmp_path) as (_, rooms):
        yield rooms


def load(chrome, server, path="quality/MR%201"):
    chrome.get(f"http://127.0.0.1:{server.port}/{path}")
    wait(chrome, lambda: chrome.find_elements(By.CSS_SELECTOR, "#weeks tbody tr"))


def complaints(chrome):
    return [line["message"] for line in chrome.get_log("browser") if line["level"] == "SEVERE"]


def test_the_page_shows_what_changed_its_chart_the_same_as_a_table_and_the_last_days(chrome, rooms):
    with start_rooms(rooms) as server:
        load(chrome, server)

        assert "Call service: snr -" in read(chrome, ".call.standing .words")
        assert "snr" == read(chrome, "#measure option:checked")
        assert 30 == len(chrome.find_elements(By.CSS_SELECTOR, "#weeks tbody tr"))
        assert {"syngo MR E11", "syngo MR XA30"} == {
            cell.text for cell in chrome.find_elements(By.CSS_SELECTOR, "#weeks td:nth-child(5)")
        }
        pixels = (
            "return document.querySelector('canvas').getContext('2d').getImageData(0, 0, 800, 300).data.some(Boolean)"
        )
        assert chrome.execute_script(pixels)
        assert "t1_mprage 1" in read(chrome, "#recent tbody tr")
        assert [] == violations(chrome)
        assert [] == complaints(chrome)


def test_by_keyboard_alone_another_measure_is_chosen_and_a_call_is_seen_to(chrome, rooms):
    with start_rooms(rooms) as server:
        load(chrome, server)
        for _ in range(20):
            press(chrome, Keys.TAB)
            if "Seen to" in chrome.switch_to.active_element.text:
                break
        press(chrome, Keys.ENTER)
        wait(chrome, lambda: "seen to by console" in read(chrome, ".call .when"))
        assert [] == list(rooms.calls.standing())

        chrome.execute_script("document.activeElement.blur()")
        for _ in range(20):
            press(chrome, Keys.TAB)
            if "measure" == focused(chrome):
                break
        press(chrome, "b")
        wait(chrome, lambda: read(chrome, "#weeks-title").startswith("blur by week"))
        assert [] == violations(chrome)


def test_it_speaks_german_fits_a_phone_and_axe_finds_nothing_wrong(chrome, rooms):
    with start_rooms(rooms, language=Language.GERMAN) as server:
        chrome.set_window_size(500, 900)
        load(chrome, server)
        wide = chrome.execute_script("return document.documentElement.scrollWidth - innerWidth")
        assert [] == violations(chrome)
        chrome.set_window_size(1280, 1000)

        assert "Service rufen" in read(chrome, ".call .words")
        assert wide <= 0


def test_who_only_looks_is_offered_no_button_and_is_refused(chrome, rooms):
    gate = over(rooms).gate
    viewer = replace(gate, settings=replace(gate.settings, local=LocalRole.VIEWER))
    (call,) = rooms.calls.standing()
    with start_rooms(rooms, gate=viewer) as server:
        load(chrome, server)
        assert not [b for b in chrome.find_elements(By.CSS_SELECTOR, ".call button") if b.is_displayed()]
        root = f"http://127.0.0.1:{server.port}"
        token = httpx.get(f"{root}/me").json()["token"]
        refused = [
            httpx.post(f"{root}/calls/{call.call_id}/settle", json={}, headers=headers).status_code
            for headers in ({}, {"x-scanside-token": "forged"}, {"x-scanside-token": token})
        ]

    assert [403, 403, 403] == refused
    assert [call] == list(rooms.calls.standing())


def test_what_is_unknown_is_said_and_shadow_mode_shows_nothing(rooms):
    with start_rooms(rooms) as server, start_rooms(rooms, shadow=True) as shadow:
        root, veiled = (f"http://127.0.0.1:{one.port}" for one in (server, shadow))
        token = httpx.get(f"{root}/me").json()["token"]

        assert 404 == httpx.get(f"{root}/trends?scanner=nobody").status_code
        assert 404 == httpx.post(f"{root}/calls/..%2f/settle", json={}, headers={"x-scanside-token": token}).status_code
        assert 404 == httpx.get(f"{veiled}/trends?scanner=MR 1").status_code
        assert 404 == httpx.get(f"{veiled}/quality/MR 1").status_code
