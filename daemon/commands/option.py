"""What commands' options share: bounds as the configuration has them, and where the configuration is."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args


def within(wanted: Any) -> Callable[[str], Any]:  # noqa: ANN401 - any Annotated type with bounds
    """An argparse type: the value of a text, held to the bounds of ``wanted`` (``core/bounds.py``)."""
    kind, *bounds = get_args(wanted)

    def read(text: str) -> Any:  # noqa: ANN401 - of that kind
        value = kind(text)
        for bound in bounds:
            if said := bound.objection(value):
                raise argparse.ArgumentTypeError(said)
        return value

    read.__name__ = kind.__name__  # argparse names it where a text is no such value
    return read


def add_config(parser: argparse.ArgumentParser, default: str | None = argparse.SUPPRESS) -> None:
    """Let ``parser`` take the configuration; where it is not given here, what stands in front holds."""
    parser.add_argument("--config", type=Path, default=default, help="scanside.toml; the defaults without it")


def since_s(text: str) -> float:
    """An argparse type: a time back from now, such as 90m, 12h or 7d, in seconds."""
    told = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if told is None:
        raise argparse.ArgumentTypeError("write a number and m, h or d, such as 7d")
    return float(told[1]) * {"m": 60.0, "h": 3600.0, "d": 86_400.0}[told[2]]
