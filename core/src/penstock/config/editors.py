"""Editors: the JSON schema of penstock.toml, with the options of the installed backends."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from inspect import cleandoc
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from penstock.config.jsontypes import REFERENCE, JsonSchema, json_type
from penstock.config.layers import MODEL
from penstock.config.schema import Document
from penstock.config.takes import Takes
from penstock.registry import Registry
from penstock.request import Deadlines, Sampling

__all__ = ["DIALECT", "json_schema"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_REFERENCE: Final[JsonSchema] = {"$ref": "#/$defs/Reference"}
_TOLD: Final = re.compile(r"^(\w+(?:, \w+)*) {2,}(\S.*(?:\n {4,}\S.*)*)", re.MULTILINE)


class _Plain(GenerateJsonSchema):
    """Leaves out what tells an editor nothing: titles made from names, and that nothing is set."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False

    def default_schema(self, schema: Any) -> JsonSchema:
        return self.generate_inner(schema["schema"])


def json_schema(registry: Registry) -> JsonSchema:
    """Return the schema of a penstock.toml, for editors that complete and check TOML.

    What one backend alone takes is allowed for its models only. Ranges of its options are not in
    it: `penstock config check` knows them.
    """
    schema = Document.model_json_schema(schema_generator=_Plain)
    entry = schema["$defs"]["Entry"]
    able = [Takes(declared) for _, declared in sorted(registry.backends.items())]
    entry["properties"]["backend"] |= {"enum": [takes.backend for takes in able]}
    entry["properties"]["options"] = {"type": "object", "description": "The backend's own options."}
    entry["properties"][MODEL] = {
        "type": "string",
        "description": "The same as source, on a server.",
    }
    del entry["additionalProperties"]
    entry["unevaluatedProperties"] = False
    entry["allOf"] = [*map(_for_one, able), _for_any(able)]
    schema["$defs"]["Reference"] = REFERENCE
    preset = {"anyOf": [{"type": "string", "minLength": 1}, {"$ref": "#/$defs/Preset"}]}
    schema["properties"]["presets"]["additionalProperties"] = preset
    for table, kind in (("SamplingTable", Sampling), ("DeadlinesTable", Deadlines)):
        for name, told in _descriptions(kind.__doc__ or "").items():
            schema["$defs"][table]["properties"][name]["description"] = told
    title = {"title": "penstock.toml", "description": "Models that Penstock loads by name."}
    return {"$schema": DIALECT, **schema, **title}


def _for_one(takes: Takes) -> JsonSchema:
    named = {"properties": {"backend": {"const": takes.backend}}, "required": ["backend"]}
    return {"if": named, "then": _places(_options(takes), closed=bool(takes.fields))}


def _for_any(able: Iterable[Takes]) -> JsonSchema:
    """Return what a model without a backend of its own may say: what any of them takes."""
    several: dict[str, list[JsonSchema]] = {}
    closed = True
    for takes in able:
        closed = closed and bool(takes.fields)
        for name, schema in _options(takes).items():
            known = several.setdefault(name, [])
            known += [] if schema in known else [schema]
    options = {name: s[0] if len(s) == 1 else {"anyOf": s} for name, s in several.items()}
    return {"if": {"not": {"required": ["backend"]}}, "then": _places(options, closed=closed)}


def _places(options: Mapping[str, JsonSchema], *, closed: bool) -> JsonSchema:
    """Return the two places of options: among the options, and beside the backend."""
    table = {"type": "object", "properties": options, "additionalProperties": not closed}
    here: JsonSchema = {"properties": {**options, "options": table}}
    return here if closed else {**here, "additionalProperties": True}


def _options(takes: Takes) -> dict[str, JsonSchema]:
    told = _descriptions(takes.document)
    options = {
        name: {
            "anyOf": [json_type(takes.types.get(name)), _REFERENCE],
            **({"description": told[name]} if name in told else {}),
            **_default(field),
        }
        for name, field in takes.fields.items()
    }
    return options | {other: options[name] for other, name in takes.synonyms.items()}


def _default(field: dataclasses.Field[Any]) -> JsonSchema:
    value = field.default
    return {"default": value} if isinstance(value, str | int | float) else {}


def _descriptions(document: str) -> dict[str, str]:
    """Return what a docstring in our manner says of each name."""
    return {
        name: " ".join(text.split())
        for names, text in _TOLD.findall(cleandoc(document))
        for name in names.split(", ")
    }
