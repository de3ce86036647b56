"""From a type to the JSON schema of its values. Importing this takes pydantic's 100 ms.

The schema only says what an engine writes: pydantic makes the value and has the last word. So it
may be plainer than the type where engines and servers have no way to say something.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, JsonSchemaWarningKind
from pydantic_core import core_schema

from penstock.errors import UsageError

__all__ = ["described"]

_LOOKS_AROUND = re.compile(r"\(\?(?:[=!]|<[=!])|\\[bB1-9]")
_OF_ONE: Final = ("items", "additionalProperties")
_OF_SEVERAL: Final = ("anyOf", "oneOf", "prefixItems")
_OF_NAMED: Final = ("properties", "patternProperties", "$defs")


def described(wanted: Any) -> tuple[str, TypeAdapter[Any]]:
    """Return the JSON schema of a type as text, and what makes values of it.

    Objects have the fields of their type and no others, unless the type says that it takes others.
    Raises `UsageError` for what is no type, or one that no JSON can stand for.
    """
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(wanted)
        schema = adapter.json_schema(schema_generator=_Plain)
    except Exception as error:
        raise UsageError(
            f"schema is {wanted!r}, of which no JSON schema can be made: {_first_sentence(error)}",
            hint="It must be a type that pydantic knows (a model, a dataclass, `list[int]`), or a "
            "JSON schema, as a mapping or as text",
        ) from error
    return json.dumps(_closed(schema), ensure_ascii=False), adapter


class _Plain(GenerateJsonSchema):
    """Leaves out what pydantic reads back anyway, and few can be bound to."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {  # noqa: RUF012  # as the base has it
        "skipped-choice",
        "non-serializable-default",
    }

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """Write a decimal as a number: the other way is text by a pattern that looks around."""
        either = super().decimal_schema(schema)
        number: JsonSchemaValue = either.get("anyOf", [either])[0]
        return number

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Write the keys of an enum where they are, as those of a literal are written."""
        found = super().dict_schema(schema)
        keys = schema.get("keys_schema")
        if keys is not None and keys["type"] == "enum":
            found["propertyNames"] = {"enum": [str(member.value) for member in keys["members"]]}
        return found

    def set_schema(self, schema: core_schema.SetSchema) -> JsonSchemaValue:
        return _repeatable(super().set_schema(schema))

    def frozenset_schema(self, schema: core_schema.FrozenSetSchema) -> JsonSchemaValue:
        return _repeatable(super().frozenset_schema(schema))


def _repeatable(schema: JsonSchemaValue) -> JsonSchemaValue:
    return {name: value for name, value in schema.items() if name != "uniqueItems"}


def _closed(schema: Any) -> Any:
    """Return a schema whose objects take no other fields, where it does not say that they do."""
    if not isinstance(schema, dict):
        return schema
    closed = {name: _inner(name, value) for name, value in schema.items()}
    if "enum" in closed.get("propertyNames", {}):
        closed = _spelled_out(closed)
    if "properties" in closed:
        closed.setdefault("additionalProperties", False)
    if _LOOKS_AROUND.search(str(closed.get("pattern", ""))):
        del closed["pattern"]
    return closed


def _spelled_out(mapping: Any) -> Any:
    """Return a mapping whose keys are few as an object that may have these fields."""
    names, value = mapping.pop("propertyNames")["enum"], mapping.pop("additionalProperties", {})
    return {**mapping, "properties": dict.fromkeys(names, value)}


def _inner(name: str, value: Any) -> Any:
    if name in _OF_ONE:
        return _closed(value)
    if name in _OF_SEVERAL:
        return [_closed(one) for one in value]
    if name in _OF_NAMED:
        return {key: _closed(one) for key, one in value.items()}
    return value


def _first_sentence(error: Exception) -> str:
    first = re.split(r"\.\s|\n", str(error).strip())[0]
    return first.rstrip(".:") or type(error).__name__
