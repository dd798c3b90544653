"""Command line options from the fields of a plan."""

import argparse
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any


def add_options(parser: argparse.ArgumentParser, plan: type[Any]) -> None:
    """One option for each field that a command line can hold; other fields keep their default."""
    for field in fields(plan):
        kind = _kind(field)
        if kind is not None:
            required = field.default is MISSING
            parser.add_argument(
                f"--{field.name.replace('_', '-')}",
                type=kind,
                required=required,
                default=None if required else field.default,
                help="required" if required else f"default {field.default}",
            )


def _kind(field: Field[Any]) -> type | None:
    if field.type in (int, float, str, Path):
        return field.type
    if field.type == Path | None:
        return Path
    return str if str(field.type).startswith("typing.Literal") else None


def asks_for_whole(given: Sequence[str]) -> bool:
    """Whether arguments ask for every step of a bundle of somebody's own people, not for one step of ours."""
    people = any(word.partition("=")[0] == "--bids" for word in given)
    return given[:1] == ["brain"] or (people and given[0] in ("cine", "lesions"))
