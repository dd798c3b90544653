"""How soon a verdict is on the page, and how the page carries an exam of many series, in a real Chromium.

::

    PYTHONPATH=. python benchmarks/people/page.py --verdicts 20 --series 200

First a board over a real database: the seconds from the moment at which a worker begins to record a verdict until the
browser has painted it. Then one exam of so many series, a RESCAN among them: until it is shown, its DOM and heap, how
long a key takes, and how long the page takes to show one series more.
"""

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from builders.page.board import ACCEPT, RESCAN, head_png, sources  # noqa: E402 - the path is set above
from builders.page.browser import browser  # noqa: E402
from builders.page.page import load, wait, words  # noqa: E402
from builders.page.site import Site  # noqa: E402
from builders.running.database import opened  # noqa: E402
from prometheus_client import CollectorRegistry  # noqa: E402
from selenium.webdriver import Chrome  # noqa: E402

from daemon.edge.web.server import Address, WebServer, serve  # noqa: E402

#: Tells when one RESCAN more was painted, by the clock of this machine.
_WATCH = """
window.painted = [];
const seen = () => [...document.querySelectorAll('.card')].filter((c) => c.dataset.kind === 'RESCAN').length;
let before = seen();
new MutationObserver(() => {
  if (seen() <= before) return;
  before = seen();
  requestAnimationFrame(() => setTimeout(() => window.painted.push(Date.now() / 1000)));
}).observe(document.body, { subtree: true, childList: true, attributes: true });
"""


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verdicts", type=int, default=20)
    parser.add_argument("--series", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, browser(Path(name) / "profile") as chrome:
        for measure, count in ((measure_verdicts, options.verdicts), (measure_exam, options.series)):
            with opened(f"sqlite:///{name}/{measure.__name__}.sqlite") as engine:
                site = Site(engine, Path(name) / measure.__name__)
                with serve(
                    replace(sources(site.board), answers=site.answers), CollectorRegistry(), Address()
                ) as server:
                    measure(chrome, site, server, count)
                    chrome.get("about:blank")


def measure_verdicts(chrome: Chrome, site: Site, server: WebServer, count: int) -> None:
    """From the record of a verdict to the page."""
    load(chrome, server)
    chrome.execute_script(_WATCH)
    seconds = []
    for number in range(count):
        uid, protocol = f"1.2.{number}", f"p{number}"
        site.answer(uid, None, description=protocol)
        wait(chrome, lambda number=number: number + 1 == len(words(chrome)))
        time.sleep(number * 0.037 % 0.25)  # anywhere between two looks at the board
        began = time.time()
        site.publish(uid, RESCAN, description=protocol)
        wait(chrome, lambda number=number: number < chrome.execute_script("return painted.length"))
        seconds.append(chrome.execute_script("return painted.at(-1)") - began)
    print(f"verdict to page: median {statistics.median(seconds):.2f} s, latest of {count} {max(seconds):.2f} s")


def measure_exam(chrome: Chrome, site: Site, server: WebServer, count: int) -> None:
    """One exam of many series."""
    picture = head_png(size=(1280, 960))
    for number in range(count):
        uid = f"1.2.{number}"
        site.answer(uid, ACCEPT if number else RESCAN, description=f"p{number}")
        site.reports.save_picture(site.index.card_id(uid), 1, picture)
    began = time.monotonic()
    load(chrome, server)
    wait(chrome, lambda: count == len(words(chrome)))
    loaded = time.monotonic() - began
    heap, nodes = memory(chrome)
    key = chrome.execute_async_script(_KEY)
    began = time.monotonic()
    site.answer("1.2.more", ACCEPT, description="more")
    wait(chrome, lambda: count + 1 == len(words(chrome)))
    more = time.monotonic() - began
    print(
        f"{count} series: shown after {loaded:.1f} s, {nodes} DOM nodes, {heap / 1e6:.1f} MB of heap after collection"
    )
    print(f"first card: {words(chrome)[0]}; A goes to it within {key:.0f} ms; one series more after {more:.2f} s")


#: A goes to the RESCAN: until its focus is painted, in milliseconds.
_KEY = """
const done = arguments[arguments.length - 1], began = performance.now();
document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "a", bubbles: true }));
requestAnimationFrame(() => setTimeout(() => done(
  document.activeElement.matches("[data-kind=RESCAN]") ? performance.now() - began : NaN)));
"""


def memory(chrome: Chrome) -> tuple[float, int]:
    """Bytes of JavaScript's heap after collection, and nodes of the document."""
    chrome.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    heap = chrome.execute_cdp_cmd("Runtime.getHeapUsage", {})["usedSize"]
    return heap, chrome.execute_script("return document.querySelectorAll('*').length")


if __name__ == "__main__":
    main()
