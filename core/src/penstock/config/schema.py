"""The schema: which keys there are, and of what type. Pydantic is imported with this module."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Annotated, Any, Final, TypeAlias, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    create_model,
)
from pydantic_core import PydanticCustomError

from penstock.config.calls import sampled
from penstock.config.durations import PATTERN, seconds
from penstock.config.jsontypes import json_type
from penstock.config.references import Reference
from penstock.config.telling import expectation
from penstock.errors import UsageError
from penstock.request import CallOptions, Deadlines, Policy, Sampling
from penstock.templates import template_of

__all__ = ["OURS", "Document", "Entry", "Preset"]

OURS: Final = "penstock"
"""The type of errors that say themselves what a value must be."""

_SHA256: Final = r"^[0-9a-fA-F]{64}$"


def _checked(check: Callable[[Any], object]) -> AfterValidator:
    """Have `check` refuse a value by a `UsageError`; the value stays as it is."""

    def validate(value: Any) -> Any:
        try:
            check(value)
        except UsageError as error:
            what = expectation(error) or f"{error}"
            raise PydanticCustomError(OURS, "{what}", {"what": what}) from error
        except Exception as error:  # whatever a strange value leads to, it is the value
            raise PydanticCustomError(OURS, "must be of another type") from error
        return value

    return AfterValidator(validate)


def _option(value: object) -> None:
    """Refuse what no backend's option can be."""
    if isinstance(value, Mapping):
        Reference.of(value)
    elif isinstance(value, dt.date | dt.time):
        raise UsageError("a date", hint="It must be a text, a number, true or false")
    elif isinstance(value, list | tuple) and not all(map(_is_scalar, value)):
        raise UsageError("an array", hint="It must be an array of texts or numbers")


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float)


def _sampled(name: str) -> Callable[[Any], object]:
    return lambda value: sampled({name: value})


def _preset(value: object) -> object:
    if not isinstance(value, dict):
        raise PydanticCustomError(OURS, "must be a text, or a table with target and summary")
    return value


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


Text: TypeAlias = Annotated[str, Field(min_length=1)]
Hexadecimal: TypeAlias = Annotated[str, Field(pattern=_SHA256)]
Template: TypeAlias = Annotated[str, Field(min_length=1), _checked(template_of)]
Option: TypeAlias = Annotated[Any, _checked(_option)]
Duration: TypeAlias = Annotated[
    Any,
    _checked(seconds),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": PATTERN}]}
    ),
]

_TYPES: Final = get_type_hints(CallOptions) | {"schema": Mapping[str, object] | str | None}
"""The types of sampling options, as far as a file can have them: no classes."""


def _field(name: str) -> Any:
    """Return the pydantic field of a sampling option, which checks its range."""
    written = {"type": ["object", "string"]} if name == "schema" else json_type(_TYPES[name])
    kind = Annotated[Any, _checked(_sampled(name)), WithJsonSchema(written)]
    return kind, Field(default=None, alias=name)


# A field called `schema` would hide a method of pydantic's.
_SAMPLING: Any = {f"{field.name}_": _field(field.name) for field in fields(Sampling)}
SamplingTable = create_model("SamplingTable", __base__=_Table, **_SAMPLING)
_DEADLINES: Any = {field.name: (Duration, None) for field in fields(Deadlines)}
DeadlinesTable = create_model("DeadlinesTable", __base__=_Table, **_DEADLINES)


class Preset(_Table):
    """A short name for a model."""

    # Another place may say the rest of it: that there is a target is looked at when all are merged.
    model_config = ConfigDict(json_schema_extra={"required": ["target"]})

    target: Text = ""
    """What is loaded in its place."""
    summary: str = ""
    """One line for people."""


PresetLike: TypeAlias = Annotated[Preset, BeforeValidator(_preset)]


class Entry(_Table):
    """A model; options of the backend may stand beside these keys too."""

    backend: Text = ""
    """The backend that runs it; left out, the source or its file tells."""
    source: Text = ""
    """What to load: a path, a source such as "hf:owner/repo", a preset, or a server's model."""
    device: Text = "auto"
    """Where the engine runs: cpu, metal, cuda, cuda:1, or auto, which lets the backend choose."""
    options: dict[str, Option] = {}
    """The backend's own options."""
    sampling: SamplingTable = SamplingTable()  # type: ignore[valid-type]
    """Options for every call that leaves them open."""
    deadlines: DeadlinesTable = DeadlinesTable()  # type: ignore[valid-type]
    """For loading, and for every call that leaves them open."""
    unsupported: Policy = "error"
    """What to do with an option of a call that the engine does not honour; "error" by default."""
    extends: Text = ""
    """The model that this one takes what it does not say itself from."""
    aliases: Annotated[list[Text], Field(strict=False)] = []
    """Other names."""
    chat_template: Template = ""
    """The name of a chat template, or Jinja, instead of the model's own."""
    sha256: Hexadecimal = ""
    """Of the file, where it comes from a web server."""


class Document(_Table):
    """All that penstock.toml may say."""

    default: Text = ""
    """The model that is loaded when none is named: a name, an alias or a target."""
    models: dict[str, Entry] = {}
    """The models by name."""
    presets: dict[str, PresetLike] = {}
    """Short names for targets."""
    sampling: SamplingTable = SamplingTable()  # type: ignore[valid-type]
    """Options for every call that it and its model leave open."""
    deadlines: DeadlinesTable = DeadlinesTable()  # type: ignore[valid-type]
    """Deadlines for every model that has none of its own."""
    unsupported: Policy = "error"
    """What to do with options that engines do not honour, where a model does not say."""
