"""Checking a layer: every key is known, every value is of its type and in its range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from penstock.config.layers import ENTRY_KEYS, MODEL, Layer
from penstock.config.masking import is_secretive
from penstock.config.origins import Key, Origin, Setting, dotted, quoted
from penstock.config.schema import Document, Entry, Preset
from penstock.config.suggestion import elsewhere, suggestion
from penstock.config.telling import problem_at
from penstock.problem import Problem
from penstock.request import Deadlines, Sampling

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["checked"]

_TABLE: Final = "must be a table"
_MUST: Final[Mapping[str, str]] = {
    "string_type": "must be a text",
    "string_too_short": "must not be empty",
    "dict_type": _TABLE,
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
    "list_type": "must be an array of texts",
    "string_pattern_mismatch": "must be 64 hexadecimal digits",
}


def checked(layer: Layer) -> Layer:
    """Return what is right of a layer by itself, with all that is wrong as its problems."""
    try:
        Document.model_validate(_nested(layer))
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False)
        problems = [*layer.problems, *(_problem(layer, one) for one in told)]
        wrong = {key for one in told if (key := _key(layer, one["loc"])) is not None}
        return replace(layer.without(wrong), problems=tuple(sorted(problems, key=_line)))
    return layer


def _line(problem: Problem) -> int:
    return problem.line or 0


def _nested(layer: Layer) -> dict[str, Any]:
    """Return the tables that a layer was read from, with each option among the options."""
    root: dict[str, Any] = {}
    for key in layer.tables:
        _down(root, key)
    for key, setting in layer.settings.items():
        _down(root, key[:-1])[key[-1]] = setting.value
    return root


def _down(table: dict[str, Any], key: Key) -> dict[str, Any]:
    for name in key:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):  # set twice, of which a problem tells
            return {}
        table = inner
    return table


def _problem(layer: Layer, told: ErrorDetails) -> Problem:
    setting, name = _setting(layer, told["loc"]), str(told["loc"][-1])
    what, hint = _MUST.get(told["type"], told["msg"]), ""
    if told["type"] == "extra_forbidden":
        what = "unknown key"
        hint = elsewhere(name) or suggestion(name, _siblings(told["loc"]))
    if "did you mean" not in hint and (whole := _cut_name(layer, told["loc"])):
        what, hint = "unknown key", f"a name with a dot is written in quotes: {quoted(whole)}"
    elif what == _TABLE and len(told["loc"]) == 2 and told["loc"][0] == "models":
        hint = 'such as { source = "hf:owner/repo" }'
    elif told["type"] == "literal_error":
        what = f"must be one of {told['ctx']['expected'].replace(' or ', ', ')}"
    masked = is_secretive(name) and not isinstance(setting.value, Mapping)
    return problem_at(setting, what, hint, masked=masked)


def _cut_name(layer: Layer, place: tuple[int | str, ...]) -> str:
    """Return the name that was meant, where a dot in it made two keys of it; else nothing."""
    match place:
        case ("presets", first, rest):
            return f"{first}.{rest}"
        case ("models", first, "options", rest):
            setting = _setting(layer, place)
            said = setting.value if isinstance(setting.value, Mapping) else ()
            return f"{first}.{rest}" if {*ENTRY_KEYS, MODEL} & {*said} else ""
    return ""


def _key(layer: Layer, place: tuple[int | str, ...]) -> Key | None:
    """Return the key of the setting that an error is about, or that holds what it is about."""
    key = tuple(map(str, place))
    while key and key not in layer.settings:
        key = key[:-1]
    return key or None


def _setting(layer: Layer, place: tuple[int | str, ...]) -> Setting:
    key = _key(layer, place)
    if key is not None:
        return layer.settings[key]
    table = tuple(map(str, place))
    while table and table not in layer.tables:
        table = table[:-1]
    return Setting(None, layer.tables.get(table, Origin("")), dotted(table))


def _siblings(place: tuple[int | str, ...]) -> Iterator[str]:
    """Yield the keys that are known where one is not."""
    match place:
        case (_,):
            yield from Document.model_fields
        case ("presets", *_):
            yield from Preset.model_fields
        case (*_, "sampling", _):
            yield from (field.name for field in fields(Sampling))
        case (*_, "deadlines", _):
            yield from (field.name for field in fields(Deadlines))
        case _:
            yield from Entry.model_fields
