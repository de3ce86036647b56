"""Strict: a schema as OpenAI's strict mode wants it said.

There, objects are closed, all of their fields are required, and only some keywords are known. What
cannot be said is left out, and the answer is checked afterwards anyway.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

__all__ = ["is_object", "strict"]

Json: TypeAlias = dict[str, Any]

_KINDS: Final = ("type", "anyOf", "enum", "const", "$ref")
_KNOWN: Final = frozenset(
    {
        *_KINDS, "$defs", "additionalProperties", "description", "exclusiveMaximum",
        "exclusiveMinimum", "format", "items", "maxItems", "maximum", "minItems", "minimum",
        "multipleOf", "pattern", "properties", "required", "title",
    }
)  # fmt: skip
_FORMATS: Final = frozenset(
    {
        "date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid",
    }
)  # fmt: skip
_STRUCTURE: Final = frozenset(
    {
        "allOf", "dependentRequired", "dependentSchemas", "else", "if", "not", "patternProperties",
        "prefixItems", "propertyNames", "then", "unevaluatedProperties",
    }
)  # fmt: skip
"""Without these a schema would ask for something else."""
_TWO: Final = frozenset({"anyOf", "oneOf"})
"""There is one name for both, so that one schema cannot have them."""


class _Unsayable(Exception):
    """Strict mode has no way to say a part of the schema."""


def is_object(schema: Json) -> bool:
    """Whether the schema is one of objects, be it by a reference to its own definitions."""
    return bool(_root(schema).get("type") == "object")


def strict(schema: Json) -> Json | None:
    """Return `schema` for strict mode; None where that cannot say it.

    It asks for less or the same: fields that may be left out are required, and others, where that
    is left open, are not allowed.
    """
    shared = _definitions(schema)
    try:
        said = _said({**_root(schema)} | ({"$defs": shared} if shared else {}))
    except _Unsayable:
        return None
    return said if "properties" in said else None


def _root(schema: Json) -> Json:
    """Return the schema that a reference at the root leads to."""
    kind, _, name = _reference(schema).rpartition("/")
    found = _definitions(schema).get(name, schema) if kind == "#/$defs" else schema
    return found if isinstance(found, dict) else schema


def _definitions(schema: Json) -> Json:
    return {**schema.get("definitions", {}), **schema.get("$defs", {})}


def _reference(schema: Mapping[str, Any]) -> str:
    """Return what a schema refers to, as it is said since definitions are called `$defs`."""
    return re.sub("^#/definitions/", "#/$defs/", str(schema.get("$ref", "")))


def _said(schema: Any) -> Json:
    if not isinstance(schema, Mapping) or _STRUCTURE & set(schema) or set(schema) >= _TWO:
        raise _Unsayable
    schema = {("anyOf" if name == "oneOf" else name): value for name, value in schema.items()}
    if "$ref" in schema:
        return {"$ref": _reference(schema)}
    if not any(kind in schema for kind in _KINDS):
        raise _Unsayable  # any JSON at all
    said = {name: _part(name, value) for name, value in schema.items() if name in _KNOWN}
    if said.get("format") not in _FORMATS:
        said.pop("format", None)
    if "properties" in said or said.get("type") == "object":
        _close(said)
    return said


def _part(name: str, value: Any) -> Any:
    match name:
        case "items":
            return _said(value)
        case "anyOf":
            return [_said(one) for one in value]
        case "properties" | "$defs":
            return {key: _said(one) for key, one in value.items()}
        case _:
            return value


def _close(said: Json) -> None:
    if said.get("additionalProperties", False) is not False or "properties" not in said:
        raise _Unsayable  # fields of any name
    said["additionalProperties"] = False
    said["required"] = list(said["properties"])
