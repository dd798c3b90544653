"""Calls for service: a scanner's images have changed, and somebody should look why."""

from dataclasses import dataclass

from daemon.core.trends.quality import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCall:
    """One call; ``settled_at``: when a person said that it was seen to, from when on measures are compared anew."""

    call_id: str
    scanner: str
    found_at: float
    findings: tuple[Finding, ...]
    settled_at: float | None = None
    settled_by: str = ""


def describe(findings: tuple[Finding, ...]) -> str:
    """What has changed, the most first: such as "snr -12 %, fwhm_avg +9 %"."""
    changes = sorted(((one.measure, one.shift.change) for one in findings), key=lambda one: -abs(one[1] or 0.0))
    told = [f"{name} {change:+.0%}".replace("%", " %") if change is not None else name for name, change in changes]
    return ", ".join([*told[:_TOLD], *(["..."] if len(told) > _TOLD else [])])


_TOLD = 4
