"""What a site says of judging: its rule of what is abnormal, and what is compared with its own past."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from daemon.core.bounds import NotEmpty


class Rule(StrEnum):
    """By its conformal p-value, or beyond Tukey's fence (as in the papers)."""

    CONFORMAL = "conformal"
    IQR = "iqr"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgementSettings:
    """The ``rule`` of what is abnormal; ``rescans``: protocols (* and ?) to be repeated when far from their past.

    ``own_past``: what a task's bundle judged is compared with its protocol's past, too.
    """

    rule: Rule = Rule.CONFORMAL
    own_past: bool = True
    rescans: tuple[Annotated[str, NotEmpty()], ...] = ()
