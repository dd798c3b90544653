"""Alerts: when a series should be repeated, somebody hears of it where they are, by Apprise.

An alert leaves the house's protected systems, so it says where, why and what to do, and nothing about whom. One
``Notifier`` is one target, and each target is owed its own: were several one, the one that works would be told again
whenever another fails.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType
from apprise.apprise import abandoned_call_descriptions

from daemon.core.errors import ConfigError, DeliveryFailed
from daemon.core.values import State, Verdict

TIMEOUT_S = 10.0
#: Attempts that may hang at one target at once.
HANGING_MAX = 3
_DESCRIPTION_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What is sent: a title for the lock screen, and a few lines; ``calls``: somebody has to do something."""

    title: str
    body: str
    calls: bool = True


def compose_alert(*, scanner: str, verdict: Verdict, link: str, description: str = "") -> Alert:
    """The alert of a verdict that asks for a rescan.

    Args:
        scanner: The alias from the configuration.
        verdict: Its cause and action are told.
        link: Where the page shows the series: ``<page>/#card-<card_id>``, an opaque token and never a UID.
        description: The protocol's name. It is free text of the scanner, so pass it only where the site has said that
            its protocol names hold no patients.

    Raises:
        ValueError: the verdict asks for no rescan, so nobody may be called.
    """
    if verdict.state is not State.RESCAN:
        raise ValueError(f"a verdict of {verdict.state} calls nobody")
    cause = f": {verdict.cause_word}" if verdict.cause_word else ""
    lines = (description[:_DESCRIPTION_LENGTH_MAX], verdict.action, link)
    return Alert(title=f"RESCAN on {scanner}{cause}", body="\n".join(line for line in lines if line))


def compose_withdrawal(*, scanner: str, verdict: Verdict, link: str) -> Alert:
    """Takes an alert back: a later image changed the verdict of the series."""
    lines = ("A later image changed the verdict of the series.", verdict.action, link)
    title = f"RESCAN on {scanner} withdrawn: now {verdict.state.value.replace('_', ' ')}"
    return Alert(title=title, body="\n".join(line for line in lines if line), calls=False)


class Notifier:
    """Sends alerts to one target, within ``timeout_s`` seconds in all.

    Args:
        name: How metrics and logs call the target; its URL holds secrets and is never shown.
        url: A service URL of Apprise.
        timeout_s: Bound of one attempt: connecting, sending and reading the answer.

    Raises:
        ConfigError: Apprise knows no such URL.
    """

    def __init__(self, name: str, url: str, timeout_s: float = TIMEOUT_S) -> None:
        # In memory: Apprise would keep a cache of its own under the user's home.
        self._apprise = Apprise(asset=AppriseAsset(storage_mode="memory", app_id="Scanside", app_desc="Scanside"))
        if not self._apprise.add(url):
            scheme = url.partition(":")[0]
            raise ConfigError(f"{name}: not a URL that Apprise can use ({scheme}:...): try it with the apprise command")
        self.name = name
        self._timeout_s = timeout_s

    def send(self, alert: Alert) -> None:
        """Send one alert, once.

        Raises:
            DeliveryFailed: the target did not accept it in time, or attempts before still hang there; Apprise does not
                tell whether it ever will.
        """
        if self._hanging() >= HANGING_MAX:
            raise DeliveryFailed(f"{self.name}: attempts before still hang there: check the service")
        result = self._apprise.notify(
            title=alert.title,
            body=alert.body,
            notify_type=NotifyType.FAILURE if alert.calls else NotifyType.INFO,
            body_format=NotifyFormat.TEXT,
            timeout=self._timeout_s,
        )
        if not result:
            raise DeliveryFailed(f"{self.name}: alert not accepted ({result.status.name.lower()}): check the service")

    def _hanging(self) -> int:
        """How many attempts Apprise has left behind in a thread each, which nobody can end."""
        own = {f"({service.url(privacy=True)})" for service in self._apprise}
        return sum(any(told.endswith(place) for place in own) for told in abandoned_call_descriptions())


def target_names(urls: Sequence[str]) -> tuple[str, ...]:
    """How the targets are called: by their place in the configuration, ``alert-1``, ``alert-2`` ..."""
    return tuple(f"alert-{place}" for place in range(1, len(urls) + 1))


def make_notifiers(urls: Sequence[str], timeout_s: float = TIMEOUT_S) -> tuple[Notifier, ...]:
    """One notifier a URL, named by its place in the configuration.

    Raises:
        ConfigError: one of the URLs cannot be used.
    """
    return tuple(Notifier(name, url, timeout_s) for name, url in zip(target_names(urls), urls, strict=True))
