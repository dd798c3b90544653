"""The words that come with bundles, and ours for what verdicts say, as one translation."""

from collections.abc import Iterable
from pathlib import Path

from daemon.core.people.sentences import sentences_of
from daemon.core.people.translation import Translation
from daemon.core.people.words import Language
from models.bundle import read_manifest
from models.words import load_words


def read_translation(language: Language, bundles: Iterable[Path]) -> Translation:
    """What verdicts of these ``bundles`` (their folders) say, in a language; of two words for a text the first counts.

    Raises:
        BundleError: a bundle has no manifest of this format, or words that are not those of its manifest.
    """
    texts = dict(sentences_of(language))
    for folder in bundles:
        texts = load_words(folder, read_manifest(folder)).get(language.value, {}) | texts
    return Translation(texts, language)
