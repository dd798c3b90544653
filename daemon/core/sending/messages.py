"""What an alert says: the house's words, or the site's templates, filled with cleaned and bounded facts.

An alert leaves the house's protected systems, so it says where, why and what to do, and nothing about whom, unless a
template of the configuration names the patient.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from daemon.core.people.words import Language, state_word, words_of
from daemon.core.sending.alert_settings import AlertTemplates
from daemon.core.values import State, Verdict

_TITLE_MAX, _BODY_MAX, _FACT_MAX, _NAME_MAX = 200, 2000, 500, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What is sent: a title for the lock screen, and a few lines; ``calls``: somebody has to do something."""

    title: str
    body: str
    calls: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a template may name.

    ``scanner``: the alias from the configuration; ``link``: where the page shows the series,
    ``<page>/#card-<card_id>``, an opaque token and never a UID; ``protocol``: free text of the scanner; ``patient``:
    what the page may show of who it is.
    """

    scanner: str
    cause: str
    action: str
    link: str
    protocol: str = ""
    patient: str = ""


@dataclass(frozen=True, slots=True)
class Messages:
    """Composes alerts in one language, by the site's templates where it has some."""

    language: Language = Language.ENGLISH
    templates: AlertTemplates = field(default_factory=AlertTemplates)

    def rescan(self, verdict: Verdict, facts: Facts) -> Alert:
        """The alert of a verdict that asks for a rescan.

        Raises:
            ValueError: the verdict asks for no rescan, so nobody may be called.
        """
        return self._calling("alert", verdict, facts)

    def escalation(self, verdict: Verdict, facts: Facts, minutes: float) -> Alert:
        """The alert of one that nobody has answered for so long.

        Raises:
            ValueError: the verdict asks for no rescan, so nobody may be called.
        """
        return self._calling("escalated", verdict, facts, minutes=f"{minutes:g}")

    def withdrawal(self, verdict: Verdict, facts: Facts) -> Alert:
        """Takes an alert back: a later image changed the verdict of the series."""
        return self._filled(
            "withdrawn", asdict(facts) | {"state": state_word(verdict.state, self.language)}, calls=False
        )

    def summary(self, series: Mapping[str, int], per_hour_max: int, page: str) -> Alert:
        """All that were over the cap, in one: how many ``series`` are to be repeated, by scanner."""
        scanners = ", ".join(f"{name} {count}" for name, count in sorted(series.items()))
        count = str(sum(series.values()))
        facts = {"count": count, "scanners": scanners, "per_hour": str(per_hour_max), "link": page}
        return self._filled("summary", facts)

    def service(self, scanner: str, since: str, changes: str, link: str) -> Alert:
        """The alert of a call for service: which scanner, since when, what has changed; no patient is in it."""
        return self._filled("service", {"scanner": scanner, "since": since, "changes": changes, "link": link})

    def _calling(self, kind: str, verdict: Verdict, facts: Facts, **more: str) -> Alert:
        if verdict.state is not State.RESCAN:
            raise ValueError(f"a verdict of {verdict.state} calls nobody")
        return self._filled(kind, asdict(facts) | more)

    def _filled(self, kind: str, facts: Mapping[str, str], *, calls: bool = True) -> Alert:
        ours, theirs = words_of(self.language), asdict(self.templates)
        clean = {name: _clean(value, _LENGTHS.get(name, _FACT_MAX)) for name, value in facts.items()}
        title, body = ((theirs.get(key) or ours[key]).format_map(clean) for key in (f"{kind}_title", f"{kind}_body"))
        lines = [line.strip() for line in body.splitlines()]
        return Alert(
            title=title.strip().rstrip(":").rstrip()[:_TITLE_MAX],
            body="\n".join(line for line in lines if line)[:_BODY_MAX],
            calls=calls,
        )


_LENGTHS: Final = {"protocol": _NAME_MAX, "patient": _NAME_MAX, "scanner": _NAME_MAX, "link": _BODY_MAX}


def _clean(text: str, length_max: int) -> str:
    """One line of printable characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:length_max]
