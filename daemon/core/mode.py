"""Whether anybody hears of a verdict."""

from enum import StrEnum


class Mode(StrEnum):
    """LIVE tells everybody who is configured; SHADOW judges and keeps, and shows and sends nothing."""

    LIVE = "live"
    SHADOW = "shadow"
