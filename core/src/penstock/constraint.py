"""What an answer must be: valid by a schema, matched by an expression, one of some choices."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from penstock.errors import UsageError

__all__ = ["Constraint", "ConstraintKind", "schema_text"]

ConstraintKind: TypeAlias = Literal["json_schema", "regex", "choices", "grammar"]

_GBNF_RULE = re.compile(r"^\s*[\w-]+\s*::=", re.MULTILINE)
_LARK_HEADER = re.compile(r"^\s*%llguidance\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Constraint:
    """What the whole text of an answer must be.

    kind    json_schema, regex, choices or grammar
    value   the schema as JSON text, the expression, the choices, or the text of the grammar
    """

    kind: ConstraintKind
    value: str | tuple[str, ...]

    @property
    def is_gbnf(self) -> bool:
        """Whether this is a grammar in GBNF; others are in Lark.

        Rules with `::=` are GBNF's, unless a line `%llguidance {}` says that it is Lark.
        """
        if self.kind != "grammar" or not isinstance(self.value, str):
            return False
        return bool(_GBNF_RULE.search(self.value)) and not _LARK_HEADER.search(self.value)


def schema_text(schema: Mapping[str, object] | str) -> str:
    """Return a JSON schema, given as a mapping or as JSON text, as JSON text.

    Raises `UsageError` for what is not a JSON object.
    """
    if not isinstance(schema, str | Mapping):
        raise _not_a_schema(schema, "it is neither a mapping nor text")
    try:
        # NaN and infinity are Python's, not JSON's.
        text = schema if isinstance(schema, str) else json.dumps(dict(schema), allow_nan=False)
        parsed = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise _not_a_schema(schema, str(error)) from error
    if not isinstance(parsed, dict):
        raise _not_a_schema(schema, "it is not an object")
    return text


def _not_a_schema(schema: object, why: str) -> UsageError:
    return UsageError(
        f"schema is {reprlib.repr(schema)}, which is no JSON schema: {why}",
        hint="It must be a mapping or the text of a JSON object; {} allows any JSON",
    )
