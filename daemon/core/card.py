"""What the live page shows of one series, or of several of one study."""

from dataclasses import dataclass

from daemon.core.values import Stage, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One series as the live page shows it; ``card_id`` is an opaque token, never a UID.

    ``scanner`` is the configured alias of the calling AE, ``description`` the protocol's name. ``seconds`` counts
    from the last image to the verdict. ``superseded`` marks a verdict that a later image has overtaken,
    ``cleared`` one whose picture is no longer kept. ``series``: how many series of one study it stands for, which have
    the same reason not to be judged; ``images`` are theirs together.
    """

    card_id: str
    scanner: str
    description: str
    stage: Stage
    images: int
    received_at: float
    verdict: Verdict | None = None
    seconds: float | None = None
    partial: bool = False
    superseded: bool = False
    revision: int = 1
    cleared: bool = False
    series: int = 1
