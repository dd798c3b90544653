"""Alerts: when a series should be repeated, somebody hears of it where they are, by Apprise.

One ``Notifier`` is one target, and each target is owed its own: were several one, the one that works would be told
again whenever another fails.
"""

from collections.abc import Mapping

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType
from apprise.apprise import abandoned_call_descriptions

from daemon.core.errors import ConfigError, DeliveryFailed
from daemon.core.sending.messages import Alert

TIMEOUT_S = 10.0
#: Attempts that may hang at one target at once.
HANGING_MAX = 3


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


def make_notifiers(urls: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> tuple[Notifier, ...]:
    """One notifier a target; ``urls``: name -> service URL.

    Raises:
        ConfigError: one of the URLs cannot be used.
    """
    return tuple(Notifier(name, url, timeout_s) for name, url in urls.items())
