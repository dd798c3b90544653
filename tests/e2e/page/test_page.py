"""The page in a real browser, against the real server."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from builders.page.board import ACCEPT, RESCAN, REVIEW, MemoryBoard, card, crowd, head_png, mixture, wordy
from builders.page.browser import browser
from builders.page.page import focused, load, press, read, start, wait, was_reloaded, words
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from daemon.core.values import Stage

HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>"\'&lt;b&gt;'
PICTURE = head_png(size=(256, 192))


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("profile")) as chrome:
        yield chrome


@pytest.fixture
def board() -> MemoryBoard:
    return MemoryBoard()


@pytest.fixture
def page(chrome: Chrome, board: MemoryBoard) -> Iterator[Chrome]:
    """The page of a running server, live; its console must stay without errors."""
    chrome.get_log("browser")
    with start(board) as server:
        load(chrome, server)
        yield chrome
        faults = [entry["message"] for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"]
        chrome.get("about:blank")

    assert [] == [fault for fault in faults if "/pictures/" not in fault]  # a card may have no picture yet


def tab_to_picture(page: Chrome) -> None:
    """The picture behind all that comes before it."""
    for _ in range(20):
        press(page, Keys.TAB)
        if "picture" == focused(page, "class"):
            return


def test_without_series_the_page_says_that_it_waits(page: Chrome) -> None:
    assert "No series yet" in read(page, "#empty")


def test_a_new_rescan_appears_on_top_by_itself_and_is_announced(page: Chrome, board: MemoryBoard) -> None:
    board.put(card("first", age_s=60, verdict=ACCEPT))
    wait(page, lambda: ["ACCEPT"] == words(page))
    assert "" == page.execute_script("return document.querySelector('#announcer').textContent")

    board.put(card("second", age_s=3, verdict=RESCAN, description="t2"), PICTURE)
    wait(page, lambda: ["RESCAN", "ACCEPT"] == words(page))

    announced = page.execute_script("return document.querySelector('#announcer').textContent")
    assert "Rescan on MR 1: Motion. Ask the patient to lie still and repeat the series." == announced
    assert "assertive" == page.execute_script("return document.querySelector('#announcer').ariaLive")
    assert "Motion" == read(page, ".cause")
    assert "RESCAN | Scanside" == page.title
    wait(page, lambda: page.find_element(By.CSS_SELECTOR, ".card .picture").is_displayed())
    assert not was_reloaded(page)


def test_rescans_that_were_there_before_are_not_announced(chrome: Chrome) -> None:
    with start(MemoryBoard([card(verdict=RESCAN)])) as server:
        load(chrome, server)
        assert ["RESCAN"] == words(chrome)
        assert "" == chrome.execute_script("return document.querySelector('#announcer').textContent")
        chrome.get("about:blank")


def test_a_series_is_followed_through_its_stages_on_one_card(page: Chrome, board: MemoryBoard) -> None:
    receiving = card("one", age_s=1, verdict=None, seconds=None, stage=Stage.RECEIVING, images=84)
    delivering = replace(receiving, stage=Stage.DELIVERING, verdict=REVIEW, seconds=4.25)
    steps = [
        (replace(receiving, images=1), ("Receiving", "1 image")),
        (receiving, ("Receiving", "84 images")),
        (replace(receiving, stage=Stage.WAITING), ("Waiting", "84 images")),
        (replace(receiving, stage=Stage.ASSESSING), ("Assessing", "84 images")),
        (delivering, ("REVIEW", "Noise")),
    ]
    for step, expected in steps:
        board.put(step)
        wait(page, lambda expected=expected: expected == (read(page, ".word"), read(page, ".cause")))
    assert ["past", "past", "past", "now"] == [
        step.get_attribute("class") for step in page.find_elements(By.CSS_SELECTOR, ".steps li")
    ]

    board.put(replace(delivering, stage=Stage.DONE))
    wait(page, lambda: not page.find_element(By.CSS_SELECTOR, ".steps").is_displayed())
    assert "answered in 4.3 s" in read(page, ".when")
    assert ["REVIEW"] == words(page)


def test_every_answer_has_a_symbol_of_its_own(page: Chrome, board: MemoryBoard) -> None:
    for number, verdict in enumerate((ACCEPT, REVIEW, RESCAN)):
        board.put(card(f"c{number}", verdict=verdict, description=str(number)))
    wait(page, lambda: 3 == len(words(page)))
    script = """return [...document.querySelectorAll('.card use')].map((use) =>
        document.querySelector(use.getAttribute('href')).innerHTML)"""

    assert 3 == len(set(page.execute_script(script)))


def test_a_superseded_verdict_is_struck_out_and_gives_no_advice(page: Chrome, board: MemoryBoard) -> None:
    board.put(card("one", verdict=ACCEPT, superseded=True), PICTURE)
    wait(page, lambda: ["ACCEPT"] == words(page))

    assert "line-through" in page.find_element(By.CSS_SELECTOR, ".word").value_of_css_property("text-decoration")
    assert ("", "Superseded") == (read(page, ".action"), read(page, ".superseded"))


def test_a_late_image_takes_the_verdict_back_at_once(page: Chrome, board: MemoryBoard) -> None:
    board.put(card("one", verdict=ACCEPT), PICTURE)
    wait(page, lambda: ["ACCEPT"] == words(page))
    board.put(card("one", verdict=ACCEPT, superseded=True, stage=Stage.RECEIVING, revision=2))
    wait(page, lambda: ["Receiving"] == words(page))

    assert "Superseded: ACCEPT" == read(page, ".superseded")
    assert "Revision 2" == read(page, ".revised")
    assert not page.find_element(By.CSS_SELECTOR, ".picture").is_displayed()


def test_text_from_outside_stays_text(chrome: Chrome) -> None:
    verdict = replace(RESCAN, action=HOSTILE, reasons=(HOSTILE,))
    hostile = card("c1", verdict=verdict, scanner=HOSTILE, description=HOSTILE)
    with start(MemoryBoard([hostile], {"c1": PICTURE}), obstacles=(HOSTILE,)) as server:
        load(chrome, server)
        wait(chrome, lambda: chrome.find_element(By.CSS_SELECTOR, ".picture").is_displayed())
        chrome.find_element(By.CSS_SELECTOR, ".picture").click()

        places = (".scanner", ".protocol", ".action", "#closer li", "#obstacles")
        texts = [chrome.execute_script("return document.querySelector(arguments[0]).textContent", p) for p in places]
        assert [HOSTILE] * 4 == texts[:4]
        assert HOSTILE in texts[4]
        assert 0 == len(chrome.find_elements(By.CSS_SELECTOR, "li img[src='x'], body script"))
        assert chrome.execute_script("return window.hacked === undefined")
        chrome.get("about:blank")


def test_the_browser_itself_forbids_writing_html_and_inline_scripts(page: Chrome) -> None:
    script = """
        const [done] = [arguments[arguments.length - 1]];
        const inline = document.createElement("script");
        try { inline.textContent = "window.hacked = 1"; document.head.append(inline); } catch (error) { }
        try { document.body.innerHTML = "<b>"; done("written"); } catch (error) { done(error.name); }
    """
    assert "TypeError" == page.execute_async_script(script)
    assert page.execute_script("return window.hacked === undefined")
    page.get_log("browser")  # the refusals are what was asked for


def test_nothing_is_fetched_from_anywhere_else(page: Chrome, board: MemoryBoard) -> None:
    board.put(card("c1", verdict=RESCAN), PICTURE)
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, ".picture:not([hidden])"))
    script = "return performance.getEntriesByType('resource').filter((r) => !r.name.startsWith(location.origin)).length"

    assert 0 == page.execute_script(script)


def test_the_keyboard_opens_and_closes_a_picture_and_keeps_its_place(page: Chrome, board: MemoryBoard) -> None:
    board.put(card("c1", verdict=RESCAN), PICTURE)
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, ".picture:not([hidden])"))

    tab_to_picture(page)
    assert "picture" == focused(page, "class")
    press(page, Keys.ENTER)
    assert page.find_element(By.ID, "closer").is_displayed()
    assert "motion variance 0.31 above its limit 0.12" in read(page, "#closer")
    press(page, Keys.ESCAPE)
    assert not page.find_element(By.ID, "closer").is_displayed()
    assert "picture" == focused(page, "class")


def test_the_focus_stays_on_its_card_when_cards_move(page: Chrome, board: MemoryBoard) -> None:
    board.put(card("c1", age_s=60, verdict=ACCEPT), PICTURE)
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, ".picture:not([hidden])"))
    tab_to_picture(page)
    board.put(card("c2", age_s=30, verdict=RESCAN, description="t2"))
    wait(page, lambda: ["RESCAN", "ACCEPT"] == words(page))
    board.put(card("c1", age_s=1, verdict=RESCAN, description="t1"))
    wait(page, lambda: ["RESCAN", "RESCAN"] == words(page))

    focused = page.execute_script("return document.activeElement.closest('.card').id")
    assert "card-c1" == focused


def test_the_link_of_an_alert_leads_to_its_card(chrome: Chrome) -> None:
    with start(MemoryBoard(crowd(40))) as server:
        load(chrome, server, "scanners/MR%201#card-c30")
        assert "card-c30" == focused(chrome)
        chrome.get("about:blank")


@pytest.mark.parametrize("size", [(1600, 900), (820, 1180), (390, 844)])
@pytest.mark.parametrize("cards", [mixture, wordy], ids=["mixture", "wordy"])
def test_nothing_is_wider_than_the_screen_or_cut_off(
    chrome: Chrome, cards: Callable[[], list], size: tuple[int, int]
) -> None:
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    with start(MemoryBoard(cards())) as server:
        load(chrome, server)
        wide = chrome.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        cut = chrome.execute_script(
            """return [...document.querySelectorAll('.card, .word, .action, .cause')]
                .filter((element) => element.scrollWidth > element.clientWidth + 1).length"""
        )
        broken = chrome.execute_script(
            """return [...document.querySelectorAll('.word')]
                .filter((word) => !word.innerText.includes(" "))
                .filter((word) => word.clientHeight > 1.6 * parseFloat(getComputedStyle(word).fontSize)).length"""
        )
        chrome.get("about:blank")
    chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    assert (0, 0, 0) == (wide, cut, broken)


def test_every_text_stands_out_from_its_ground(page: Chrome, board: MemoryBoard) -> None:
    """Contrast of at least 4.5 : 1 (WCAG 2.2, success criterion 1.4.3) for every text of every kind of card."""
    for shown in mixture():
        board.put(shown)
    wait(page, lambda: 2 == len(page.find_elements(By.CSS_SELECTOR, ".exam")))
    script = """
        const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
        const light = (colour) => parse(colour).slice(0, 3).map((c) => c / 255)
            .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
        const ground = (element) => {
            const colour = getComputedStyle(element).backgroundColor;
            return parse(colour)[3] === 0 && element.parentElement ? ground(element.parentElement) : colour;
        };
        const texts = ".word, .cause, .action, .scanner, .protocol, .age, .images, .mark, .since, .more a, h1, #state, "
            + "footer, button, summary";
        return [...document.querySelectorAll(texts)].filter((e) => e.checkVisibility()).map((element) => {
            const [a, b] = [light(getComputedStyle(element).color), light(ground(element))].sort((x, y) => y - x);
            return [(a + 0.05) / (b + 0.05), element.className || element.id || element.tagName];
        });
    """
    contrasts = page.execute_script(script)

    assert 50 < len(contrasts)
    assert [] == [(name, round(contrast, 2)) for contrast, name in contrasts if contrast < 4.5]
