"""The page of a real daemon in a real browser: what is shown is what was judged, and outlives kill -9."""

import json
from io import BytesIO
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
from builders.judging.report import make_judgement
from builders.judging.toy import Toy, beating, hook, series, write_bundle
from builders.page.axe import violations
from builders.page.browser import browser
from builders.page.page import press, read, wait, words
from builders.peers.http import http_target
from builders.running.daemon import running_daemon, write_files
from PIL import Image
from selenium.webdriver.common.by import By

from daemon.core.people.sentences import sentences_of
from daemon.core.people.translation import Translation
from daemon.core.people.words import Language
from daemon.core.values import State
from daemon.dicom.report.summary import render_summary
from models.methods.registry import METHODS

GERMAN = """
"heart" = "Herz"
"the count of beats" = "die Zählung der Schläge"
"Signal dropout" = "Signalausfall"
"Check the electrodes, then repeat." = "Elektroden prüfen, dann wiederholen."
"distance" = "Abstand"
"muscle" = "Muskel"
"unevenness" = "Ungleichheit"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A German site that judges hearts, and one run with a dark phase: the daemon, its alerts, the run's record."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "toy", Toy)
        patch.setenv("PYTHONPATH", str(hook(folder / "hook")))
        write_bundle(folder / "bundle")
        (folder / "bundle" / "words.de.toml").write_text(GERMAN, "utf-8")
        with http_target() as target:
            extra = (
                f'language = "de"\nshipped = false\nbundles = {{ hearts = "{folder / "bundle"}" }}\n'
                f'alerts = {{ urls = ["{target.url}"] }}\n'
            )
            with running_daemon(folder, extra=extra, ready=False) as daemon:
                daemon.wait_until_ready(300)
                files = series(beating(dark=6), "dark")
                write_files(folder / "dark", files)
                assert 0 == daemon.push(folder / "dark").returncode
                yield daemon, target, daemon.done(str(files[0].SeriesInstanceUID))


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile"), size=(1280, 1000)) as chrome:
        yield chrome


def open_page(chrome, daemon, path=""):
    chrome.get(f"http://127.0.0.1:{daemon.web_port}/{path}")
    wait(chrome, lambda: "Live" == read(chrome, "#state"))


def test_a_german_site_reads_german_words_of_ours_and_of_the_bundle_on_page_and_alert(site, chrome):
    daemon, target, record = site
    open_page(chrome, daemon)

    assert ["WIEDERHOLEN"] == words(chrome)
    assert ("Signalausfall", "Elektroden prüfen, dann wiederholen.") == (
        read(chrome, ".cause"),
        read(chrome, ".action"),
    )
    assert [] == violations(chrome)
    alert = target.received[0]
    assert "WIEDERHOLEN an Trio: Signalausfall" == alert["title"]
    assert alert["message"].startswith("Elektroden prüfen")
    assert "Signal dropout" in record["reasons"][0]  # what is recorded, and goes to archives as SR, is English


def test_the_picture_of_a_german_site_has_the_german_verdict(site, chrome):
    daemon, _, _ = site
    open_page(chrome, daemon)
    wait(chrome, lambda: chrome.find_elements(By.CSS_SELECTOR, ".picture:not([hidden]) img"))
    address = chrome.find_element(By.CSS_SELECTOR, ".picture:not([hidden]) img").get_attribute("src")
    with urlopen(address, timeout=10) as answer:
        picture = np.asarray(Image.open(BytesIO(answer.read())).convert("RGB"))
    german, english = (
        render_summary(make_judgement(State.RESCAN), translation=Translation(sentences_of(language)))
        for language in (Language.GERMAN, Language.ENGLISH)
    )

    assert (german[:110] == picture[:110]).all()
    assert (english[:110] != picture[:110]).any()


def test_the_lines_that_the_method_drew_are_scrolled_on_the_page_of_the_series(site, chrome):
    daemon, _, _ = site
    open_page(chrome, daemon)
    address = chrome.find_element(By.CSS_SELECTOR, ".details").get_attribute("href")
    chrome.get(address)
    wait(chrome, lambda: read(chrome, "#verdict"))
    assert "Signalausfall an Volumen 7 0.574 über 0.02" in read(chrome, "#why")
    chrome.find_element(By.ID, "show-slices").click()
    wait(
        chrome,
        lambda: chrome.execute_script("return overlay.naturalWidth === slice.naturalWidth && slice.naturalWidth"),
    )
    assert chrome.find_element(By.ID, "overlay").is_displayed()
    assert [] == violations(chrome)
    with pytest.raises(HTTPError, match="404"):
        daemon.get(f"{address.partition(str(daemon.web_port))[2][1:]}/overlays/9999.png")


def test_an_answer_by_two_keys_is_on_every_open_page_and_outlives_kill_9(site, chrome):
    daemon, _, _ = site
    open_page(chrome, daemon)
    chrome.switch_to.new_window("tab")
    open_page(chrome, daemon, "scanners/Trio")
    press(chrome, "a", "4")

    def answered():
        return read(chrome, ".given").startswith("Beantwortet: Fehlalarm (console")

    def on_every_page(holds):
        for tab in chrome.window_handles:
            chrome.switch_to.window(tab)
            wait(chrome, holds)

    on_every_page(answered)
    daemon.kill()
    on_every_page(lambda: read(chrome, "#lost"))
    daemon.start(ready=False)
    daemon.wait_until_ready(300)
    on_every_page(lambda: "Live" == read(chrome, "#state") and answered())
    assert "wrong" == json.loads(daemon.get("cards"))["cards"][0]["answer"]["choice"]
    press(chrome, "a", "2")  # the page has the token of a daemon that is no more
    on_every_page(lambda: read(chrome, ".given").startswith("Beantwortet: So belassen"))
