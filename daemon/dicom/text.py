"""Our own words inside a patient's object: plain ASCII, right in every character set that the source may use."""

import unicodedata

#: Both stand for other characters in ISO_IR 13 (Japanese); the backslash also separates values (PS3.5, 6.1.2.3).
_REPLACED = str.maketrans({"\\": "/", "~": "-"})
#: German without its own letters, as its spelling has it (DIN 5007-2).
_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})

#: Longest value of the value representations that we write (PS3.5, 6.2).
LONG_STRING = 64
SHORT_STRING = 16


def plain(text: str, limit: int = LONG_STRING) -> str:
    """``text`` in printable ASCII on one line, at most ``limit`` characters.

    Umlauts become two letters; other accents fold to their letter.
    """
    spelled = unicodedata.normalize("NFC", text).translate(_SPELLED)
    folded = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    printable = "".join(c if c.isprintable() else " " for c in folded).translate(_REPLACED)
    return " ".join(printable.split())[:limit].rstrip()
