"""A constraint, as llguidance writes it down."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from llguidance import LLMatcher, regex_to_lark
from llguidance.gbnf_to_lark import gbnf_to_lark

from penstock.constraint import Constraint

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

__all__ = ["grammar_of"]

_JSON: JsonCompileOptions = {
    # White space between all parts lets a small model write it without end.
    "whitespace_flexible": False,
    "item_separator": ", ?",
    "key_separator": ": ?",
}
_LOOSE: JsonCompileOptions = {**_JSON, "lenient": True, "coerce_one_of": True}
"""For a schema whose asker checks the answer: what cannot be bound is left to that."""

_FIELDS = frozenset({"properties", "patternProperties"})
_NAMED = _FIELDS | {"$defs", "definitions"}
_DATA = frozenset({"const", "default", "enum", "examples"})

_QUOTED = r'"(?:\\.|[^"\\])*"'
_CLASS = r"\[(?:\\.|[^\]\\])*\]"
_GBNF_PART = re.compile(rf"{_QUOTED}|{_CLASS}|#[^\r\n]*|\.", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|.)", re.DOTALL)
_ANY_CHARACTER = "[\\x00-\U0010ffff]"


def grammar_of(constraint: Constraint) -> str:
    r"""Return `constraint` in llguidance's form. Raises `ValueError` with the reason if it cannot.

    JSON comes out on one line, with at most one space behind a comma or a colon. In a regex, `\d`
    is 0 to 9.
    """
    value = constraint.value
    if isinstance(value, tuple):
        return str(LLMatcher.grammar_from_regex("|".join(map(_literal, value))))
    if constraint.kind == "json_schema":
        rules = _LOOSE if constraint.checked else _JSON
        return str(LLMatcher.grammar_from_json_schema(_keyed(value), overrides=rules))
    if constraint.kind == "regex":
        # Rust's \d stands for the digits of all scripts.
        plain = regex_to_lark(_without_anchors(value), use_ascii="d")
        return str(LLMatcher.grammar_from_regex(plain))
    return str(LLMatcher.grammar_from_lark(_lark(value) if constraint.is_gbnf else value))


def _keyed(schema: str) -> str:
    """Say by `patternProperties`, which llguidance knows, what `propertyNames` says."""
    if '"propertyNames"' not in schema:
        return schema
    return json.dumps(_with_keys(json.loads(schema)), ensure_ascii=False)


def _with_keys(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_with_keys(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    said = {name: _within(name, value) for name, value in schema.items()}
    names = said.get("propertyNames")
    if isinstance(names, dict) and set(names) == {"pattern"} and not said.keys() & _FIELDS:
        del said["propertyNames"]
        said["patternProperties"] = {names["pattern"]: said.pop("additionalProperties", {})}
        said["additionalProperties"] = False
    return said


def _within(name: str, value: Any) -> Any:
    if name in _DATA:
        return value
    if name in _NAMED and isinstance(value, dict):
        return {key: _with_keys(one) for key, one in value.items()}
    return _with_keys(value)


def _literal(text: str) -> str:
    plain = (char.isascii() and char.isalnum() for char in text)
    parts = (
        char if is_plain else rf"\x{{{ord(char):x}}}"
        for char, is_plain in zip(text, plain, strict=True)
    )
    return "".join(parts)


def _without_anchors(regex: str) -> str:
    """Take away `^` and `$` at the ends: the whole text is matched anyway."""
    body = regex.removesuffix("$")
    if (len(body) - len(body.rstrip("\\"))) % 2:
        body = regex  # the dollar is escaped
    return body.removeprefix("^")


def _lark(gbnf: str) -> str:
    try:
        return str(gbnf_to_lark(_GBNF_PART.sub(_plainer, gbnf)))
    except Exception as error:  # the converter raises bare exceptions, and trips over some texts
        raise ValueError(str(error) or type(error).__name__) from error


def _plainer(part: re.Match[str]) -> str:
    """Write a part of GBNF so that llguidance's converter keeps its meaning."""
    text = part[0]
    if text == ".":
        return _ANY_CHARACTER  # the dot of GBNF stands for line breaks too
    return text if text.startswith("#") else _ESCAPE.sub(_character, text)


def _character(escape: re.Match[str]) -> str:
    digits = escape[1] or escape[2] or escape[3]
    if digits is None:
        return escape[0]
    code = int(digits, 16)
    return f"\\x{code:02x}" if code < 0x80 else chr(code)
