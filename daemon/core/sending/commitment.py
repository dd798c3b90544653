"""Storage commitment, as far as rules and tables know it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An archive's answer: what it has committed to keep, and what not, by failure reason (PS3.3 C.14)."""

    transaction_uid: str
    committed: frozenset[str]
    failed: Mapping[str, int]
