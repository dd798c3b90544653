"""The page of one series, in a real browser against the real server and a real database."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from builders.page.axe import violations
from builders.page.board import head_png
from builders.page.browser import browser
from builders.page.page import focused, press, read, wait
from builders.page.rooms import Done, over, series_rooms, start_rooms
from PIL import Image, ImageDraw
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from daemon.core.people.access import Deed, LocalRole
from daemon.core.people.words import Language


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("profile"), size=(1280, 1000)) as chrome:
        yield chrome


@pytest.fixture
def world(tmp_path):
    """The rooms of one judged series, and what is let be done with it."""
    done = Done([head_png(n, (96, 96)) for n in range(5)], [lines_png(n) for n in range(5)])
    with series_rooms(tmp_path, done) as rooms:
        yield rooms, done


def lines_png(number):
    """Clear, but for one line."""
    picture = Image.new("RGBA", (96, 96))
    ImageDraw.Draw(picture).line((0, 10 * number, 95, 10 * number), fill=(64, 214, 255))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def load(chrome, server, path="series/card7"):
    chrome.get(f"http://127.0.0.1:{server.port}/{path}")
    wait(chrome, lambda: read(chrome, "#verdict"))


def tab_to(chrome, element_id):
    chrome.execute_script("document.activeElement.blur()")
    for _ in range(30):
        press(chrome, Keys.TAB)
        if element_id == focused(chrome):
            return chrome.switch_to.active_element
    raise AssertionError(f"no way to {element_id} by keyboard")


def test_the_page_says_why_the_series_stands_where_it_stands(chrome, world):
    rooms, _ = world
    with start_rooms(rooms) as server:
        load(chrome, server)
        happened = [
            cell.text.removesuffix(" (Revision 1)")
            for cell in chrome.find_elements(By.CSS_SELECTOR, "#timeline td:last-child")
        ]
        numbers = {
            line.text.split()[0]: line.text for line in chrome.find_elements(By.CSS_SELECTOR, "#numbers tbody tr")
        }

        assert "RESCAN" == read(chrome, "#verdict")
        assert ["Last image: 176", "Complete, told by: its geometry", "Judging began", "Judged: RESCAN"] == happened[:4]
        assert "Answer: Repeated" in happened
        assert "abnormal" in numbers["ghost"]
        assert "abnormal" not in numbers["snr"]
        assert [] == violations(chrome)
        assert [] == [line["message"] for line in chrome.get_log("browser") if "Uncaught" in line["message"]]


def test_by_keyboard_alone_slices_are_scrolled_and_the_series_is_judged_and_sent_once_more(chrome, world):
    rooms, done = world
    gate = over(rooms).gate
    with start_rooms(rooms, gate=gate) as server:
        load(chrome, server)
        tab_to(chrome, "show-slices").send_keys(Keys.ENTER)
        wait(chrome, lambda: "Slice 3 of 5" == read(chrome, "#which"))
        press(chrome, Keys.ARROW_RIGHT)
        wait(chrome, lambda: "Slice 4 of 5" == read(chrome, "#which"))
        assert chrome.find_element(By.ID, "slice").get_attribute("src").endswith("/slices/3.png")
        wait(chrome, lambda: chrome.execute_script("return document.getElementById('slice').naturalWidth === 96"))
        assert [] == violations(chrome)
        tab_to(chrome, "again").send_keys(Keys.ENTER)
        wait(chrome, lambda: "It is judged once more." == read(chrome, "#done"))
        tab_to(chrome, "resend").send_keys(Keys.SPACE)
        wait(chrome, lambda: "It is delivered once more." == read(chrome, "#done"))

    assert ["again 1.2.3.7", "resend 1.2.3.7"] == done.deeds
    told = [entry.deed for entry in gate.audit.entries(0.0)]
    assert {Deed.REPROCESSED, Deed.RESENT} <= set(told)


def test_the_lines_over_the_slices_are_scrolled_with_them_and_turned_off_and_on_by_one_key(chrome, world):
    rooms, _ = world
    with start_rooms(rooms) as server:
        load(chrome, server)
        tab_to(chrome, "show-slices").send_keys(Keys.ENTER)
        lines = chrome.find_element(By.ID, "overlay")
        wait(chrome, lambda: lines.is_displayed() and lines.get_attribute("src").endswith("/overlays/2.png"))
        press(chrome, Keys.ARROW_RIGHT)
        wait(chrome, lambda: lines.get_attribute("src").endswith("/overlays/3.png"))
        wait(chrome, lambda: chrome.execute_script("return arguments[0].naturalWidth === 96", lines))
        corners = "return ['slice', 'overlay'].map((id) => JSON.stringify(window[id].getBoundingClientRect()))"
        assert 1 == len(set(chrome.execute_script(corners)))
        assert [] == violations(chrome)
        press(chrome, "o")
        assert "false" == chrome.find_element(By.ID, "drawn").get_attribute("aria-pressed")
        assert not lines.is_displayed()
        assert [] == violations(chrome)
        press(chrome, "o")
        assert lines.is_displayed()
        tab_to(chrome, "drawn").send_keys(Keys.SPACE)
        assert not lines.is_displayed()
        chrome.execute_script("localStorage.setItem('keys', 'off')")
        press(chrome, "o")
        assert not lines.is_displayed()
        chrome.execute_script("localStorage.clear()")


def test_where_nothing_was_drawn_no_lines_are_offered(chrome, tmp_path):
    with series_rooms(tmp_path, Done([head_png(0, (96, 96))])) as rooms, start_rooms(rooms) as server:
        load(chrome, server)
        tab_to(chrome, "show-slices").send_keys(Keys.ENTER)
        wait(chrome, lambda: "Slice 1 of 1" == read(chrome, "#which"))

        assert not chrome.find_element(By.ID, "drawn").is_displayed()
        assert not chrome.find_element(By.ID, "overlay").is_displayed()
        assert 404 == httpx.get(f"http://127.0.0.1:{server.port}/series/card7/overlays/0.png").status_code


def test_an_open_series_is_completed_and_offers_nothing_else(chrome, world):
    rooms, done = world
    with start_rooms(replace(rooms, open_uid={"open1": "1.2.3.8"}.get)) as server:
        load(chrome, server, "series/open1")
        buttons = chrome.find_elements(By.CSS_SELECTOR, "main button")
        shown = [button.get_attribute("id") for button in buttons if button.is_displayed()]
        assert ["complete"] == shown
        assert [] == violations(chrome)
        tab_to(chrome, "complete").send_keys(Keys.ENTER)
        wait(chrome, lambda: "It is judged now." == read(chrome, "#done"))

    assert ["complete 1.2.3.8"] == done.deeds


def test_it_speaks_german_fits_a_phone_and_axe_finds_nothing_wrong(chrome, world):
    rooms, _ = world
    with start_rooms(rooms, language=Language.GERMAN) as server:
        chrome.set_window_size(500, 900)
        load(chrome, server)
        chrome.find_element(By.ID, "show-slices").click()
        wait(chrome, lambda: chrome.find_element(By.ID, "overlay").is_displayed())
        wide = chrome.execute_script("return document.documentElement.scrollWidth - innerWidth")
        assert [] == violations(chrome)
        chrome.set_window_size(1280, 1000)

        assert "Warum dieser Stand?" == read(chrome, "#timeline-title")
        assert wide <= 0


def test_a_case_holds_slices_only_where_they_are_asked_for(world):
    rooms, _ = world
    gate = over(rooms).gate
    with start_rooms(rooms, gate=gate) as server:
        root = f"http://127.0.0.1:{server.port}/series/card7/case.zip"
        plain, pictured = httpx.get(root), httpx.get(f"{root}?slices=1")
    names = [sorted(zipfile.ZipFile(io.BytesIO(one.content)).namelist()) for one in (plain, pictured)]
    case = json.loads(zipfile.ZipFile(io.BytesIO(plain.content)).read("case.json"))

    assert ["README.txt", "case.json"] == names[0]
    assert 5 == len([name for name in names[1] if name.startswith("slices/")])
    assert "card7" == case["case"]
    told = {entry.subject for entry in gate.audit.entries(0.0) if entry.deed is Deed.EXPORTED}
    assert {"case card7", "case card7 with slices"} == told


@pytest.mark.parametrize("deed", ["complete", "again", "resend"])
def test_who_may_not_is_refused_and_nothing_is_done(world, deed):
    rooms, done = world
    gate = over(rooms).gate
    viewer = replace(gate, settings=replace(gate.settings, local=LocalRole.VIEWER))
    with start_rooms(rooms, gate=viewer) as server:
        root = f"http://127.0.0.1:{server.port}"
        token = httpx.get(f"{root}/me").json()["token"]
        foreign = {"x-scanside-token": token, "origin": "http://evil.example"}
        sent = ({}, {"x-scanside-token": "forged"}, {"x-scanside-token": token}, foreign)
        answers = [httpx.post(f"{root}/series/card7/{deed}", json={}, headers=one).status_code for one in sent]
        case = httpx.get(f"{root}/series/card7/case.zip").status_code

    assert ([403] * 4, 403, []) == (answers, case, done.deeds)


def test_what_cannot_be_done_is_said_and_shadow_mode_shows_nothing(world):
    rooms, done = world
    done.there = False
    with start_rooms(rooms) as server, start_rooms(rooms, shadow=True) as shadow:
        root = f"http://127.0.0.1:{server.port}"
        headers = {"x-scanside-token": httpx.get(f"{root}/me").json()["token"]}
        cards = ("card7", "nobody")
        said = [httpx.post(f"{root}/series/{card}/again", json={}, headers=headers) for card in cards]

        assert [409, 409] == [answer.status_code for answer in said]
        assert "its images are no longer kept" in said[0].text
        assert 404 == httpx.get(f"{root}/history?card=nobody").status_code
        assert 404 == httpx.get(f"http://127.0.0.1:{shadow.port}/history?card=card7").status_code
    assert [] == done.deeds
