"""What verdicts, their pictures and SRs say, in German: the templates and texts of ``judging``, and of ``report``.

Words of organs and causes are the bundles' (``models/words.py``).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from daemon.core.errors import Reason
from daemon.core.people.words import Language, words_of
from daemon.core.values import State

#: English -> German; ``{}`` stands for what is put in, in the same order.
_GERMAN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Carry on: the images can carry {}.": "Weiter: Die Bilder reichen für {}.",
        "Carry on: as usual for this protocol.": "Weiter: wie üblich bei diesem Protokoll.",
        "Carry on: {} what is usual of this protocol, nothing to compare with yet.": (
            "Weiter: {}, was bei diesem Protokoll üblich ist, noch nichts zum Vergleichen."
        ),
        "learning ({} of {})": "lernt ({} von {})",
        "Look at the images before the patient leaves.": "Bilder ansehen, bevor der Patient geht.",
        "Look at the images before the patient leaves: {} is in doubt, and no artefact explains it.": (
            "Bilder ansehen, bevor der Patient geht: {} ist unsicher, und kein Artefakt erklärt es."
        ),
        "Look at the images, and repeat the series before the patient leaves.": (
            "Bilder ansehen und die Serie wiederholen, bevor der Patient geht."
        ),
        "Check body part and contrast: this is unlike every {} that the model knows.": (
            "Körperregion und Kontrast prüfen: anders als alles, was das Modell kennt ({})."
        ),
        "Not judged: {}. Decide by eye.": "Nicht beurteilt: {}. Bitte selbst ansehen.",
        "{} {} above {}": "{} {} über {}",
        "{}, and at {} places more": "{}, und an {} weiteren Stellen",
        "{} is no number": "{} ist keine Zahl",
        "expected loss {} ({} to {}) above {}": "erwarteter Verlust {} ({} bis {}) über {}",
        "{} of {}": "{}: {}",
        "{} at {}": "{} an {}",
        "{} times its usual": "{}-mal so groß wie üblich",
        "{}, usually {}": "{}, sonst {}",
        "cannot be measured, unlike in its past": "nicht messbar, anders als bisher",
        "unlike its own past in all measures together": "insgesamt anders als bisher",
        "{} at slice {}": "{} in Schicht {}",
        "{} at volume {}": "{} in Volumen {}",
        "incomplete series": "unvollständig",
        "complete series": "vollständig",
        "revision {}": "Fassung {}",
        "Not a number, left out: {}.": "Keine Zahl, daher nicht dabei: {}.",
        "{} numbers of single places left out.": "{} Messwerte einzelner Stellen sind nicht dabei.",
        "Series incomplete.": "Serie unvollständig.",
        "Revision {}, closed by {}.": "Fassung {}, abgeschlossen durch: {}.",
        "Images": "Bilder",
        "No images to show": "Keine Bilder",
        "{} and {}": "{} und {}",
        "{} outlined": "{}: Umriss",
        "No {} found": "Nicht gefunden: {}",
        "{}: uncertainty (variance)": "{}: Unsicherheit (Varianz)",
        "Artefacts": "Artefakte",
        "Measures": "Messwerte",
        "Volumes": "Volumina",
        "reference limit": "Grenze",
        "no value": "kein Wert",
        "no limit": "ohne Grenze",
        "bands: usual of this protocol": "Balken: üblich bei diesem Protokoll",
        "volume": "Volumen",
        "slice": "Schicht",
        Reason.EMPTY: "keine Bilder in der Serie",
        Reason.NOT_MR: "keine MR-Bilder",
        Reason.UNSUPPORTED: "Bildtyp wird noch nicht unterstützt",
        Reason.LOSSY: "verlustbehaftet komprimierte Bilder werden nicht beurteilt",
        Reason.UNREADABLE: "Bilddaten nicht lesbar",
        Reason.GEOMETRY: "Schichtpositionen ergeben kein regelmäßiges Volumen",
        Reason.INCOMPLETE: "Schichten fehlen",
        Reason.MIXED: "Bilder verschiedener Art in einem Volumen",
        Reason.TOO_FEW: "zu wenige Schichten für ein Volumen",
        Reason.TOO_LARGE: "Volumen zu groß",
        Reason.FLAT: "Bilder ohne Signal",
        Reason.NOT_FOUND: "was dieses Modell beurteilt, ist nicht im Bild",
        Reason.CONTRAST: "nicht der Kontrast, den dieses Modell beurteilt",
        Reason.SEVERAL: "kein Modell für eine Serie mit mehreren Volumen",
        Reason.UNROUTED: "kein Modell für diese Serie",
        Reason.LOST: "gespeicherte Bilder nicht mehr lesbar",
        Reason.FAILED: "die Beurteilung ist gescheitert: siehe Protokolldatei",
    }
)
_SENTENCES: Final[Mapping[Language, Mapping[str, str]]] = MappingProxyType(
    {Language.ENGLISH: MappingProxyType({}), Language.GERMAN: _GERMAN}
)


def sentences_of(language: Language) -> Mapping[str, str]:
    """English texts and templates of verdicts -> the same in a language; nothing for English."""
    english, spoken = words_of(Language.ENGLISH), words_of(language)
    states = {english[state]: spoken[state] for state in State if english[state] != spoken[state]}
    return {**states, **_SENTENCES[language]}
