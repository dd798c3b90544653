"""The page's own files, as they ship in ``static/``; the pages have one head in common."""

from importlib.resources import files
from typing import Final

_HEAD: Final = b"  <!-- head.html -->\n"


def read_file(name: str) -> bytes:
    """A file of the page; a page with what all pages have in their heads."""
    folder = files("daemon.edge.web").joinpath("static")
    content = folder.joinpath(name).read_bytes()
    return content.replace(_HEAD, folder.joinpath("head.html").read_bytes()) if name.endswith(".html") else content
