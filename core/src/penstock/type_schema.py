"""From a type to the JSON schema of its values. Importing this takes pydantic's 100 ms.

The schema only says what an engine writes: pydantic makes the value and has the last word. So it
may be plainer than the type where engines and servers have no way to say something.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable
from typing import Any, Final, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, JsonSchemaWarningKind
from pydantic_core import core_schema

from penstock.errors import UsageError
from penstock.matching import is_linear

__all__ = ["described"]

_LOOKS_AROUND = re.compile(r"\\[bB]|\(\?[a-zA-Z]*m")
_OF_ONE: Final = ("items", "additionalProperties", "propertyNames")
_OF_SEVERAL: Final = ("anyOf", "oneOf", "prefixItems")
_OF_NAMED: Final = ("properties", "patternProperties", "$defs")

_DAY: Final = "[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME: Final = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_KEYS: Final = {
    "int": "^(0|-?[1-9][0-9]*)$",
    "date": f"^{_DAY}$",
    "uuid": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
}
"""How keys are written, by the type that reads them."""

_DIGITS: Final = 9
"""How many digits before or behind its point a decimal is bound to, and not left to its type."""

_VERSION = re.compile("uuid([1-8])")


def described(wanted: Any) -> tuple[str, TypeAdapter[Any]]:
    """Return the JSON schema of a type as text, and what makes values of it.

    Objects have the fields of their type and no others, unless the type says that it takes others.
    Raises `UsageError` for what is no type, or one that no JSON can stand for.
    """
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(_as_list(wanted))
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
        return {**_of_digits(schema.get("max_digits"), schema.get("decimal_places")), **number}

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        """Write one that must have no zone by a pattern: the format has one."""
        if schema.get("tz_constraint") != "naive":
            return super().datetime_schema(schema)
        return {"type": "string", "pattern": f"^{_DAY}T{_TIME}$"}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Write what the keys are where all kinds of keys have it: in `propertyNames`."""
        found = super().dict_schema(schema)
        keys = schema.get("keys_schema")
        if keys is not None and keys["type"] == "enum":
            found["propertyNames"] = {"enum": [str(member.value) for member in keys["members"]]}
        elif keys is not None and keys["type"] in _KEYS:
            found["propertyNames"] = {"pattern": _KEYS[keys["type"]]}
        for pattern, values in found.pop("patternProperties", {}).items():  # one, if any
            found |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}
        return found

    def set_schema(self, schema: core_schema.SetSchema) -> JsonSchemaValue:
        return _repeatable(super().set_schema(schema))

    def frozenset_schema(self, schema: core_schema.FrozenSetSchema) -> JsonSchemaValue:
        return _repeatable(super().frozenset_schema(schema))


def _as_list(wanted: Any) -> Any:
    """Return a type that is read at once: the items of an iterable pydantic would check later."""
    if (get_origin(wanted) or wanted) not in (Iterable, Generator):
        return wanted
    return list[get_args(wanted)[0]] if get_args(wanted) else list  # type: ignore[misc]


def _of_digits(most: int | None, places: int | None) -> JsonSchemaValue:
    """Return what a decimal of so many digits must be as a number, if engines can be told."""
    said: JsonSchemaValue = {}
    if places is not None and places <= _DIGITS:
        said["multipleOf"] = float(f"1e-{places}")
    if most is not None and 0 <= (whole := most - (places or 0)) <= _DIGITS:
        said |= {"exclusiveMinimum": -(10**whole), "exclusiveMaximum": 10**whole}
    return said


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
    if version := _VERSION.fullmatch(str(closed.get("format"))):
        closed |= {"format": "uuid", "pattern": _uuid_of(version[1])}
    if "pattern" in closed and not _is_plain(str(closed["pattern"])):
        del closed["pattern"]
    return closed


def _uuid_of(version: str) -> str:
    return (
        f"^[0-9a-f]{{8}}-[0-9a-f]{{4}}-{version}[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}$"
    )


def _is_plain(pattern: str) -> bool:
    """Whether engines can be bound to a pattern: without looking around, and by Rust's rules."""
    return not _LOOKS_AROUND.search(pattern) and is_linear(pattern)


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
