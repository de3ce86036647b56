"""JSON types: what a TOML value of a Python type looks like, for editors."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from penstock.config.references import KINDS

__all__ = ["REFERENCE", "JsonSchema", "json_type"]

JsonSchema: TypeAlias = dict[str, Any]

_TEXT: Final[JsonSchema] = {"type": "string", "minLength": 1}
_WORDS: Final[JsonSchema] = {"type": "array", "items": {"type": "string"}, "minItems": 1}
REFERENCE: Final[JsonSchema] = {
    "type": "object",
    "description": "Where the value is kept, instead of the value itself.",
    "properties": {kind: _WORDS if kind == "command" else _TEXT for kind in KINDS},
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}

_NAMES: Final[Mapping[object, JsonSchema]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
}
_SEVERAL: Final[JsonSchema] = {
    "anyOf": [
        {"type": ["string", "number"]},
        {"type": "array", "items": {"type": ["string", "number", "array", "object"]}},
    ]
}


def json_type(annotation: object) -> JsonSchema:
    """Return the JSON schema of what may be written for a value of that type.

    None is left out: a value that is not set is not written. For types that are read from several
    forms, such as tuples, it is lenient.
    """
    found: list[JsonSchema] = []
    for kind in _kinds(annotation):
        schema = _schema(kind)
        if schema not in found:
            found.append(schema)
    return found[0] if len(found) == 1 else {"anyOf": found} if found else {}


def _kinds(annotation: object) -> list[object]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [kind for part in typing.get_args(annotation) for kind in _kinds(part)]
    return [] if annotation is type(None) else [annotation]


def _schema(kind: object) -> JsonSchema:
    if kind in _NAMES:
        return _NAMES[kind]
    origin = typing.get_origin(kind)
    if origin is Literal:
        return {"enum": list(typing.get_args(kind))}
    if kind is dict or origin in (dict, Mapping):
        return {"type": "object"}
    return {"type": "string"} if _is_secret(kind) else _SEVERAL


def _is_secret(kind: object) -> bool:
    return getattr(kind, "__name__", "") == "Secret"
