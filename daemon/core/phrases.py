"""What is said of images: a template and what fills its gaps, so that a page can say the same in its own language."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

#: A template, and the finished texts in its gaps.
Wording: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phrase:
    """``template``: English, a ``{}`` for each of ``values``: numbers, words of a bundle, other phrases.

    ``str()`` is the English text.
    """

    template: str
    values: tuple["Phrase | str", ...] = ()

    def __str__(self) -> str:
        return self.template.format(*self.values)


def wording(*texts: Phrase | str) -> tuple[Wording, ...]:
    """How each phrase among ``texts`` is made, and each within them; plain text is not made of anything."""
    return tuple(dict.fromkeys(made for text in texts for made in _made(text)))


def _made(text: Phrase | str) -> Iterator[Wording]:
    if isinstance(text, Phrase):
        yield (text.template, *map(str, text.values))
        for value in text.values:
            yield from _made(value)
