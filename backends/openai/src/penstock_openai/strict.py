"""Strict: a schema as OpenAI's strict mode wants it said.

There, objects are closed, all of their fields are required, and only some keywords are known. What
cannot be said is left out, and the answer is checked afterwards anyway.
"""

from __future__ import annotations

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
    try:
        said = _said({**_root(schema)} | _definitions(schema))
    except _Unsayable:
        return None
    return said if "properties" in said else None


def _root(schema: Json) -> Json:
    """Return the schema that a reference at the root leads to."""
    kind, _, name = str(schema.get("$ref", "")).rpartition("/")
    found = schema.get("$defs", {}).get(name, schema) if kind == "#/$defs" else schema
    return found if isinstance(found, dict) else schema


def _definitions(schema: Json) -> Json:
    return {"$defs": schema["$defs"]} if "$defs" in schema else {}


def _said(schema: Any) -> Json:
    if not isinstance(schema, Mapping) or _STRUCTURE & set(schema):
        raise _Unsayable
    schema = {("anyOf" if name == "oneOf" else name): value for name, value in schema.items()}
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
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
