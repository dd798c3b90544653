"""Whom to alert about a RESCAN, when, how often, and in which words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from daemon.core.bounds import NotEmpty, Range, Template, Url

_OF_SERIES: Final = ("scanner", "cause", "action", "link", "protocol", "patient")
_OF_MANY: Final = ("count", "scanners", "per_hour", "link")

SeriesTitle = Annotated[str, Template(_OF_SERIES)]
SeriesBody = Annotated[str, Template(_OF_SERIES, lines=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTemplates:
    """Titles and bodies in the place of the house's; empty where the house's are good.

    What stands in braces is filled in: ``{scanner}``, ``{cause}``, ``{action}``, ``{link}``, ``{protocol}``,
    ``{patient}`` of a series, besides ``{state}`` where it is withdrawn and ``{minutes}`` where it is escalated;
    ``{count}``, ``{scanners}``, ``{per_hour}``, ``{link}`` of a summary.
    """

    alert_title: SeriesTitle = ""
    alert_body: SeriesBody = ""
    escalated_title: Annotated[str, Template((*_OF_SERIES, "minutes"))] = ""
    escalated_body: Annotated[str, Template((*_OF_SERIES, "minutes"), lines=True)] = ""
    withdrawn_title: Annotated[str, Template((*_OF_SERIES, "state"))] = ""
    withdrawn_body: Annotated[str, Template((*_OF_SERIES, "state"), lines=True)] = ""
    summary_title: Annotated[str, Template(_OF_MANY)] = ""
    summary_body: Annotated[str, Template(_OF_MANY, lines=True)] = ""

    def name(self, fact: str) -> bool:
        """Whether one of them tells a fact."""
        return any(f"{{{fact}}}" in getattr(self, one) for one in self.__slots__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """Whom to alert about a RESCAN: Apprise URLs, and the page's address as the reader reaches it.

    ``expire_s``: an alert that has not arrived so long after the last image of its series is tried no more; nor is it
    once the next study has come from that scanner. ``escalate_urls``: who is told where nobody has answered
    ``escalate_after_s`` after the verdict. ``per_hour_max``: single alerts a target and hour; what is over it is told
    together in one summary.
    """

    urls: tuple[Annotated[str, NotEmpty()], ...] = ()
    page: Annotated[str, Url(("http", "https"), optional=True)] = ""
    expire_s: Annotated[float, Range(60, 7 * 86_400)] = 3600.0
    escalate_urls: tuple[Annotated[str, NotEmpty()], ...] = ()
    escalate_after_s: Annotated[float, Range(30, 86_400)] = 300.0
    per_hour_max: Annotated[int, Range(1, 10_000)] = 30
    templates: AlertTemplates = field(default_factory=AlertTemplates)

    @property
    def first(self) -> Mapping[str, str]:
        """Who is told at once: names by place in the configuration, ``alert-1``, ``alert-2`` ..., and URLs."""
        return {f"alert-{place}": url for place, url in enumerate(self.urls, 1)}

    @property
    def second(self) -> Mapping[str, str]:
        """Who is told where nobody answers: ``escalation-1``, ``escalation-2`` ..., and URLs."""
        return {f"escalation-{place}": url for place, url in enumerate(self.escalate_urls, 1)}

    @property
    def targets(self) -> Mapping[str, float]:
        """Everybody who is told, and how many seconds after the verdict."""
        return dict.fromkeys(self.first, 0.0) | dict.fromkeys(self.second, self.escalate_after_s)
