"""What a page lets be done with a series."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeds:
    """What can be done with a series, by its UID.

    ``complete``: close it as it is; ``again``: judge it once more; ``resend``: owe its objects once more, how many;
    ``is_there``: whether its images are still there; ``slices``: how many can be shown; ``slice``: one, as PNG;
    ``has_overlay``: whether the method drew something over them; ``overlay``: that of one, as PNG.
    """

    complete: Callable[[str], None]
    again: Callable[[str], None]
    resend: Callable[[str], int]
    is_there: Callable[[str], bool]
    slices: Callable[[str], int]
    slice: Callable[[str, int], bytes | None]
    has_overlay: Callable[[str], bool]
    overlay: Callable[[str, int], bytes | None]
