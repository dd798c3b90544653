"""What verdicts say, in the language of the page: by templates of ours, and by the words that come with the bundles."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from daemon.core.people.words import Language
from daemon.core.phrases import Phrase
from daemon.core.values import Verdict

#: From what is said in English to the same as people read it.
Say: TypeAlias = Callable[[Phrase | str], str]


@dataclass(frozen=True, slots=True)
class Translation:
    """``texts``: what a verdict may say in English, a text or the template of one -> the same in another language.

    What is not there stays as it is. ``language``: that of what is said.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    language: Language = Language.ENGLISH

    def text(self, text: str) -> str:
        """One text; one that begins a sentence is looked up as it is within one, too."""
        found = self.texts.get(text) or self.texts.get(text[:1].lower() + text[1:])
        return text if found is None else found

    def say(self, said: Phrase | str) -> str:
        """A phrase and those in its gaps, or one text."""
        if isinstance(said, str):
            return self.text(said)
        return self.text(said.template).format(*map(self.say, said.values))

    def verdict(self, verdict: Verdict) -> Verdict:
        """The verdict as people read it; its state and its cause's name stay what they are."""
        made = {template.format(*values): (template, *values) for template, *values in verdict.wording}

        def say(text: str) -> str:
            template, *values = made.get(text, (text,))
            return self.text(template).format(*map(say, values)) if values else self.text(text)

        return replace(
            verdict,
            action=say(verdict.action),
            cause_word=self.text(verdict.cause_word),
            reasons=tuple(map(say, verdict.reasons)),
            wording=(),
        )
