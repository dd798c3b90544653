"""A TOML table -> frozen settings: strict types, every field within its bounds, every failure a sentence."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

from cattrs import BaseValidationError, Converter, ForbiddenExtraKeysError, transform_error
from cattrs.cols import list_structure_factory, mapping_structure_factory
from cattrs.gen import make_dict_structure_fn

from daemon.core.bounds import OneOf
from daemon.core.errors import ConfigError
from daemon.core.judging.routing import Condition
from daemon.core.judging.rule import Rule
from daemon.core.mode import Mode
from daemon.core.people.access import LocalRole, Role
from daemon.core.people.exams import PatientHint
from daemon.core.people.words import Language
from daemon.core.values import ReportKind, State
from daemon.edge.delivery.outlets import OUTLETS, Outlet
from daemon.edge.engines import ENGINES, EngineSettings, default_kind

_T = TypeVar("_T")
Hook = Callable[[Any, Any], Any]

#: What keys were called before 0.2.
_RENAMED: Final = {"certificate": "certificate_file", "private_key": "key_file", "client_authorities": "ca_file"}
_WORDS: Final = {
    str: "a text in quotes",
    int: "a whole number without quotes",
    float: "a number without quotes",
    bool: "true or false",
}


def structure(content: Mapping[str, Any], wanted: type[_T]) -> _T:
    """The settings that a table describes.

    Raises:
        ConfigError: a key is unknown or missing, or a value of the wrong type or out of its bounds; a line for each.
    """
    try:
        return _CONVERTER.structure(content, wanted)
    except BaseValidationError as error:
        raise ConfigError("\n".join(map(_placed, transform_error(error, format_exception=_words)))) from error


def _placed(message: str) -> str:
    """The place first, which cattrs names last."""
    words, _, place = message.rpartition(" @ $")
    place = re.sub(r"\['?([^'\]0-9][^'\]]*)'?\]", r".\1", place).removeprefix(".")
    return f"{place}: {words}" if place else words


def _words(error: BaseException, wanted: type | None) -> str:
    if isinstance(error, ForbiddenExtraKeysError):
        return "; ".join(_unknown(name, error.cl) for name in sorted(error.extra_fields))
    if isinstance(error, KeyError):
        return "missing, write it"
    return str(error) if isinstance(error, ConfigError) else f"{error} ({getattr(wanted, '__name__', wanted)} wanted)"


def _unknown(name: str, settings: type) -> str:
    known = [field.name for field in fields(settings)]
    if _RENAMED.get(name) in known:
        return f"unknown key '{name}', it is called {_RENAMED[name]} now"
    close = get_close_matches(name, known, n=1)
    return f"unknown key '{name}', " + (f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}")


def _scalar(value: object, wanted: type) -> object:
    """TOML knows true from 1, and 80.5 from 80; a whole number is a float too, for nobody writes 5.0."""
    if type(value) is wanted:
        return value
    if wanted is float and type(value) is int:
        return float(value)
    raise ConfigError(f"write {_WORDS[wanted]}")


def _bounded(wanted: Any, converter: Converter) -> Hook:  # noqa: ANN401 - any Annotated type
    inner, *bounds = get_args(wanted)
    hook = converter.get_structure_hook(inner)

    def bounded(value: object, _: object) -> object:
        found = hook(value, inner)
        for bound in bounds:
            if said := bound.objection(found):
                raise ConfigError(said)
        return found

    return bounded


def _table(wanted: Any, converter: Converter) -> Hook:  # noqa: ANN401 - any dataclass
    hook = make_dict_structure_fn(wanted, converter, _cattrs_forbid_extra_keys=True)
    return _only(dict, _TABLE, hook)


def _only(kind: type, words: str, hook: Hook) -> Hook:
    """A text is a sequence of letters to Python, and a table one of keys: neither was meant."""

    def checked(value: object, wanted: object) -> object:
        if not isinstance(value, kind):
            raise ConfigError(f"write {words}")
        return hook(value, wanted)

    return checked


def _word(kind: type[StrEnum]) -> Hook:
    known = OneOf(tuple(map(str, kind)))

    def word(value: object, _: object) -> object:
        if not isinstance(value, str) or known.objection(value):
            raise ConfigError(f"{value!r} is {known.objection(None)}")
        return kind(value)

    return word


def _condition(value: object) -> Condition:
    """A condition as a site writes it: a word or a list of words is ``any``, a number what the fact must be."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _STRUCTURE_CONDITION({"min": value, "max": value}, Condition)
    table = dict(value) if isinstance(value, dict) else {"any": value}
    for key in ("any", "none"):
        words = table.get(key, ())
        listed = [words] if isinstance(words, str) else words
        if not isinstance(listed, list | tuple) or any(not isinstance(word, str) for word in listed):
            raise ConfigError(f"condition {value!r}: write a word, a list of words, a number or a table")
        table[key] = list(listed)
    return _STRUCTURE_CONDITION(table, Condition)


def _outlet(value: object) -> Outlet:
    if not isinstance(value, dict):
        raise ConfigError("write a table: [[destinations]]")
    content = dict(value)
    kind = content.pop("kind", "dicom")
    if not isinstance(kind, str) or kind not in OUTLETS:
        raise ConfigError(f"kind {kind!r} of a destination is not known, write {' or '.join(OUTLETS)}")
    return _CONVERTER.structure(content, OUTLETS[kind])


def _engine(value: object) -> EngineSettings:
    if not isinstance(value, dict):
        raise ConfigError("write a table: [engine]")
    content = dict(value)
    kind = content.pop("kind", default_kind())
    if not isinstance(kind, str) or kind not in ENGINES:
        raise ConfigError(f"kind {kind!r} of an engine is not known, write {' or '.join(ENGINES)}")
    return _CONVERTER.structure(content, ENGINES[kind])


def _path(value: object) -> Path:
    text = _scalar(value, str)
    if not text or "\0" in str(text):
        raise ConfigError("write the path of a file or folder")
    try:
        return Path(str(text)).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{error}: write the whole path") from error


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(_scalar(value, str)))
    except ValueError as error:
        raise ConfigError(f"{error}: write a network such as 10.1.0.0/16, or one address") from error


def _list(wanted: Any, converter: Converter) -> Hook:  # noqa: ANN401 - any tuple[X, ...] or frozenset[X]
    kind, (member, *_) = get_origin(wanted), get_args(wanted)
    members: Any = GenericAlias(list, (member,))
    hook = list_structure_factory(members, converter)
    return _only(list, "a list: [...]", lambda value, _: kind(hook(value, members)))


def _mapping(wanted: Any, converter: Converter) -> Hook:  # noqa: ANN401 - any Mapping[str, X]
    return _only(dict, _TABLE, mapping_structure_factory(wanted, converter))


def _made_from(*origins: Any) -> Callable[[Any], bool]:  # noqa: ANN401 - what get_origin says
    return lambda wanted: get_origin(wanted) in origins


_TABLE: Final = "a table: [section], or { key = value }"
_CONVERTER = Converter(forbid_extra_keys=True)
for _kind in _WORDS:
    _CONVERTER.register_structure_hook(_kind, _scalar)
_CONVERTER.register_structure_hook(Path, lambda value, _: _path(value))
_CONVERTER.register_structure_hook(IPv4Network | IPv6Network, lambda value, _: _network(value))
for _words_of in (Rule, ReportKind, State, Language, PatientHint, Role, LocalRole, Mode):
    _CONVERTER.register_structure_hook(_words_of, _word(_words_of))
_CONVERTER.register_structure_hook_factory(is_dataclass)(_table)
_CONVERTER.register_structure_hook_factory(_made_from(tuple, frozenset))(_list)
_CONVERTER.register_structure_hook_factory(_made_from(Mapping))(_mapping)
_CONVERTER.register_structure_hook_factory(_made_from(Annotated))(_bounded)
_STRUCTURE_CONDITION = make_dict_structure_fn(Condition, _CONVERTER, _cattrs_forbid_extra_keys=True)
_CONVERTER.register_structure_hook(Condition, lambda value, _: _condition(value))
_CONVERTER.register_structure_hook_func(lambda wanted: wanted == Outlet, lambda value, _: _outlet(value))
_CONVERTER.register_structure_hook_func(lambda wanted: wanted == EngineSettings, lambda value, _: _engine(value))
