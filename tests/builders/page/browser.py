"""A real headless Chromium, driven over WebDriver."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

CHROMIUM = Path("/usr/bin/chromium")
DRIVER = Path("/usr/bin/chromedriver")
_SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def browser(profile: Path, size: tuple[int, int] = (1600, 900)) -> Iterator[Chrome]:
    """A browser with an empty profile; its console is kept, errors and all."""
    if not (CHROMIUM.exists() and DRIVER.exists()):
        pytest.skip("chromium is not installed: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for switch in (*_SWITCHES, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, ChromeService(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()
