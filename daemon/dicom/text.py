"""Our own words inside a patient's object: plain ASCII, right in every character set that the source may use."""

import unicodedata

#: Both stand for other characters in ISO_IR 13 (Japanese); the backslash also separates values (PS3.5, 6.1.2.3).
_REPLACED = str.maketrans({"\\": "/", "~": "-"})

#: Longest value of the value representations that we write (PS3.5, 6.2).
LONG_STRING = 64
SHORT_STRING = 16


def plain(text: str, limit: int = LONG_STRING) -> str:
    """``text`` in printable ASCII on one line, at most ``limit`` characters; accents fold to their letter."""
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    printable = "".join(c if c.isprintable() else " " for c in folded).translate(_REPLACED)
    return " ".join(printable.split())[:limit].rstrip()
