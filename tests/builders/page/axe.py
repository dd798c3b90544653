"""axe-core (Deque, MPL-2.0; as it comes from npm, version 4.14.1) over a page that a browser shows."""

from pathlib import Path

from selenium.webdriver import Chrome

_SCRIPT = Path(__file__).with_name("axe_core") / "axe.min.js"
#: WCAG 2.0, 2.1 and 2.2 at levels A and AA, and what axe calls good practice.
_RUN = """
const done = arguments[arguments.length - 1];
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
axe.run(document, { runOnly: tags }).then(({ violations }) => done(violations.map(
  ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`,
)), (error) => done([String(error)]));
"""


def violations(chrome: Chrome) -> list[str]:
    """What axe finds wrong with the page as it is now: a rule, and where."""
    chrome.set_script_timeout(120)
    if not chrome.execute_script("return 'axe' in window"):
        chrome.execute_script(_SCRIPT.read_text())
    return list(chrome.execute_async_script(_RUN))
