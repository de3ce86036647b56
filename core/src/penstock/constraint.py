"""What an answer must be: valid by a schema, matched by an expression, one of some choices."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from penstock.errors import UsageError
from penstock.values import dataclass

if TYPE_CHECKING:
    from typing import Self

    from pydantic import TypeAdapter

__all__ = ["Constraint", "ConstraintKind", "SchemaLike", "TypedSchema", "schema_text"]

ConstraintKind: TypeAlias = Literal["json_schema", "regex", "choices", "grammar"]
SchemaLike: TypeAlias = object
"""A JSON schema as a mapping or as text, or a type: a pydantic model, a dataclass, a `TypedDict`,
`list[int]`, `Literal["a", "b"]`, `int | str` …; Python has no one type for all of these."""

_GBNF_RULE = re.compile(r"^\s*[\w-]+\s*::=", re.MULTILINE)
_LARK_HEADER = re.compile(r"^\s*%llguidance\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Constraint:
    """What the whole text of an answer must be.

    kind     json_schema, regex, choices or grammar
    value    the schema as JSON text, the expression, the choices, or the text of the grammar
    checked  whoever asked checks the answer, so that details which an engine cannot be bound to
             may be left to that: true of schemas that were made from types
    """

    kind: ConstraintKind
    value: str | tuple[str, ...]
    checked: bool = False

    @property
    def is_gbnf(self) -> bool:
        """Whether this is a grammar in GBNF; others are in Lark.

        Rules with `::=` are GBNF's, unless a line `%llguidance {}` says that it is Lark.
        """
        if self.kind != "grammar" or not isinstance(self.value, str):
            return False
        return bool(_GBNF_RULE.search(self.value)) and not _LARK_HEADER.search(self.value)


class TypedSchema(str):
    """The JSON schema of a type, as text. It is compared by the text, and shown as the type.

    `adapter` is pydantic's: it makes values of the type.
    """

    __slots__ = ("adapter", "type")
    adapter: TypeAdapter[Any]
    type: object

    @classmethod
    def of(cls, wanted: object) -> Self:
        """Make the schema of a type. Raises `UsageError` for what is none."""
        from penstock.type_schema import described

        text, adapter = described(wanted)
        made = cls(text)
        made.type, made.adapter = wanted, adapter
        return made

    def __reduce__(self) -> tuple[Callable[[object], str], tuple[object]]:
        return schema_text, (self.type,)

    def __repr__(self) -> str:
        return self.type.__qualname__ if isinstance(self.type, type) else repr(self.type)


def schema_text(schema: SchemaLike) -> str:
    """Return a schema as JSON text; one of a type as a `TypedSchema`.

    Raises `UsageError` for what is neither a JSON object nor a type.
    """
    if isinstance(schema, TypedSchema):
        return schema
    if isinstance(schema, bool | int | float | list | tuple | bytes):
        raise _not_a_schema(schema, "it is neither a mapping nor text")
    if not isinstance(schema, str | Mapping):
        return _typed(schema)
    try:
        # NaN and infinity are Python's, not JSON's.
        text = schema if isinstance(schema, str) else json.dumps(dict(schema), allow_nan=False)
        parsed = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise _not_a_schema(schema, str(error)) from error
    if not isinstance(parsed, dict):
        raise _not_a_schema(schema, "it is not an object")
    return text


def _typed(wanted: object) -> TypedSchema:
    try:
        hash(wanted)
    except TypeError:  # what annotates a type may be anything
        return TypedSchema.of(wanted)
    return _kept(wanted, repr(wanted))


@lru_cache(maxsize=64)
def _kept(wanted: object, _as_written: str) -> TypedSchema:
    # `A | B` equals `B | A`; but what both take is an A by the one, and a B by the other.
    return TypedSchema.of(wanted)


def _not_a_schema(schema: object, why: str) -> UsageError:
    return UsageError(
        f"schema is {reprlib.repr(schema)}, which is no JSON schema: {why}",
        hint="It must be a type, a mapping or the text of a JSON object; {} allows any JSON",
    )
