"""JSON schemas of many kinds, for what must always come out valid."""

from __future__ import annotations

import json
import re

import jsonschema

__all__ = ["SCHEMAS", "assert_valid", "problem"]

SCHEMAS: dict[str, dict[str, object]] = {
    "object": {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    },
    "optional": {
        "type": "object",
        "properties": {
            "a": {"type": "boolean"},
            "b": {"type": "null"},
            "c": {"enum": ["x", "y"]},
            "d": {"const": 7},
        },
        "required": ["c"],
        "additionalProperties": False,
    },
    "nested arrays": {
        "type": "array",
        "items": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3},
        "minItems": 1,
        "maxItems": 4,
    },
    "enum": {"enum": ["red", "green", "blue", 1, None, True, {"a": [1]}]},
    "unicode enum": {"enum": ["héllo", "你好", "🎏", 'quo"te', "back\\slash", "line\nbreak", ""]},
    "const": {"const": {"k": ["v", 1.5, None], "é": "ü"}},
    "integer range": {"type": "integer", "minimum": -17, "maximum": 1234},
    "number range": {"type": "number", "exclusiveMinimum": 0.5, "maximum": 99.25},
    "multiple": {"type": "integer", "minimum": 0, "maximum": 900, "multipleOf": 15},
    "date": {"type": "string", "format": "date"},
    "date-time": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
    "addresses": {
        "type": "object",
        "properties": {
            "v4": {"type": "string", "format": "ipv4"},
            "v6": {"type": "string", "format": "ipv6"},
        },
        "required": ["v4", "v6"],
        "additionalProperties": False,
    },
    "pattern": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3,5}(-(a|b|cc))?$"},
    "lengths": {
        "type": "array",
        "items": {"type": "string", "minLength": 2, "maxLength": 5},
        "minItems": 2,
        "maxItems": 2,
    },
    "any of": {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 99},
            {"type": "string", "enum": ["none", "all"]},
            {
                "type": "object",
                "properties": {"ref": {"type": "string", "pattern": "^[a-f]{1,8}$"}},
                "required": ["ref"],
                "additionalProperties": False,
            },
        ]
    },
    "ref": {
        "$defs": {
            "point": {
                "type": "object",
                "properties": {
                    "x": {"type": "integer", "minimum": 0, "maximum": 9},
                    "y": {"type": "integer", "minimum": 0, "maximum": 9},
                },
                "required": ["x", "y"],
                "additionalProperties": False,
            }
        },
        "type": "array",
        "items": {"$ref": "#/$defs/point"},
        "minItems": 1,
        "maxItems": 3,
    },
    "recursive": {
        "$defs": {
            "tree": {
                "anyOf": [
                    {"type": "integer", "minimum": 0, "maximum": 9},
                    {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 2},
                ]
            }
        },
        "$ref": "#/$defs/tree",
    },
    "tuple": {
        "type": "array",
        "prefixItems": [{"enum": ["N", "E"]}, {"type": "integer", "minimum": 0, "maximum": 360}],
        "items": False,
        "minItems": 2,
    },
    "names": {
        "type": "object",
        "propertyNames": {"pattern": "^[a-z]{1,3}$"},
        "additionalProperties": {"const": {"propertyNames": {"pattern": "x"}}},
        "minProperties": 1,
        "maxProperties": 2,
    },
    "a field called as a keyword is": {
        "type": "object",
        "properties": {"propertyNames": {"type": "string", "pattern": "^[a-f]{1,3}$"}},
        "required": ["propertyNames"],
        "additionalProperties": False,
    },
    "person": {
        "type": "object",
        "properties": {
            "id": {"type": "integer", "minimum": 1, "maximum": 65535},
            "tags": {"type": "array", "items": {"enum": ["new", "old", "müde"]}, "maxItems": 3},
            "place": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "minLength": 1, "maxLength": 8},
                    "zip": {"type": "string", "pattern": "^[0-9]{5}$"},
                },
                "required": ["zip"],
                "additionalProperties": False,
            },
            "score": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        },
        "required": ["id", "place", "score"],
        "additionalProperties": False,
    },
}

_FORMATS = jsonschema.FormatChecker()
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
    r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)"
)


@_FORMATS.checks("date-time")  # jsonschema has no check of its own
def _is_moment(value: object) -> bool:
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    return match is not None and _FORMATS.conforms(match[1], "date")


def problem(schema: dict[str, object], text: str) -> str | None:
    """Return what is wrong with `text`, or None if it is JSON that is valid by `schema`."""
    try:
        value = json.loads(text)
        jsonschema.validate(value, schema, jsonschema.Draft202012Validator, format_checker=_FORMATS)
    except (ValueError, jsonschema.ValidationError) as error:
        return f"{text!r}: {error}"
    return None


def assert_valid(schema: dict[str, object], text: str) -> None:
    """Assert that `text` is JSON that is valid by `schema`."""
    assert problem(schema, text) is None
