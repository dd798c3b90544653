"""The rule by which a score is called abnormal; a module of its own, because the light receiver reads it too."""

from enum import StrEnum


class Rule(StrEnum):
    """By its conformal p-value, or beyond Tukey's fence (as in the papers)."""

    CONFORMAL = "conformal"
    IQR = "iqr"
