"""The page of a running server, opened in a browser and read as a person would."""

from collections.abc import Callable
from contextlib import suppress

from prometheus_client import CollectorRegistry
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from builders.page.board import MemoryBoard, sources
from daemon.edge.web.server import Address, WebServer, serve

PATIENCE_S = 30


#: The page drew an element anew between finding and reading it.
_DRAWN_ANEW = (StaleElementReferenceException,)


def start(board: MemoryBoard, port: int = 0, obstacles: tuple[str, ...] = ()) -> WebServer:
    return serve(sources(board, obstacles), CollectorRegistry(), Address(port=port))


def load(chrome: Chrome, server: WebServer, fragment: str = "", live: str = "Live") -> None:
    chrome.get(f"http://127.0.0.1:{server.port}/{fragment}")
    wait(chrome, lambda: live == read(chrome, "#state"))
    chrome.execute_script("window.loadedOnce = true")


def wait(chrome: Chrome, holds: Callable[[], object]) -> None:
    WebDriverWait(chrome, PATIENCE_S, 0.05, _DRAWN_ANEW).until(lambda _: holds())


def read(chrome: Chrome, selector: str) -> str:
    """The visible text."""
    while True:
        found = chrome.find_elements(By.CSS_SELECTOR, selector)
        with suppress(*_DRAWN_ANEW):
            return found[0].text if found else ""


def press(chrome: Chrome, *keys: str) -> None:
    """Type as a keyboard does: each key goes to whatever has the focus then, also where the page is drawn anew."""
    for key in keys:
        ActionChains(chrome).send_keys(key).perform()


def focused(chrome: Chrome, attribute: str = "id") -> str:
    """What an attribute of the element that has the focus says."""
    return str(chrome.execute_script("return document.activeElement.getAttribute(arguments[0]) ?? ''", attribute))


def words(chrome: Chrome) -> list[str]:
    """The visible word of each card, in the order of the page."""
    script = "return [...document.querySelectorAll('.card .word')].map((word) => word.innerText)"
    return list(chrome.execute_script(script))


def was_reloaded(chrome: Chrome) -> bool:
    return not chrome.execute_script("return window.loadedOnce === true")
