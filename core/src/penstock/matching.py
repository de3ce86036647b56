"""Matching: whether a text is matched by an expression, and JSON data is valid by a schema."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator

__all__ = ["is_found", "is_linear", "is_matched", "validator"]


def is_matched(regex: str, text: str) -> bool:
    """Whether `regex` matches the whole of `text`; True for one of a dialect that is not known.

    The dialect is Rust's, as it is for an engine that is bound: it takes time in proportion to the
    text. Only what Rust has not, such as looking around, is looked for as Python does.
    """
    return _holds(rf"\A(?:{regex})\z", text, lambda: re.fullmatch(regex, text))


def is_found(regex: str, text: str) -> bool:
    """Whether `regex` matches anywhere in `text`; the rest as in `is_matched`."""
    return _holds(regex, text, lambda: re.search(regex, text))


def is_linear(regex: str) -> bool:
    """Whether an expression is one of Rust's."""
    return _linear(regex) is not None


@lru_cache(maxsize=16)
def validator(schema: str) -> Any:
    """Return jsonschema's validator of a schema. It fetches nothing that the schema refers to.

    A schema that names no draft is read by the newest one by which it is a schema.
    """
    from referencing import Registry

    parsed = json.loads(schema)
    return _exact(_draft_of(parsed))(parsed, registry=Registry())


def _holds(regex: str, text: str, as_in_python: Callable[[], object]) -> bool:
    linear = _linear(regex)
    if linear is not None:
        return linear.isinstance_python(text)
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            return as_in_python() is not None
    except re.error:
        return True


@lru_cache(maxsize=64)
def _linear(regex: str) -> SchemaValidator | None:
    from pydantic_core import SchemaError, SchemaValidator, core_schema  # 20 ms, for those who look

    try:
        return SchemaValidator(core_schema.str_schema(pattern=regex, regex_engine="rust-regex"))
    except SchemaError:
        return None


def _draft_of(schema: Mapping[str, object]) -> Any:
    from jsonschema import Draft4Validator, Draft7Validator, Draft202012Validator
    from jsonschema.validators import validator_for

    if isinstance(schema.get("$schema"), str):
        return validator_for(schema, default=Draft202012Validator)
    for draft in (Draft202012Validator, Draft7Validator, Draft4Validator):
        with suppress(Exception):  # also of one that is nested too deep
            draft.check_schema(schema, format_checker=None)
            return draft
    return Draft202012Validator


@lru_cache(maxsize=8)
def _exact(draft: Any) -> Any:
    from jsonschema.validators import extend

    return extend(draft, {"multipleOf": _multiple_of, "pattern": _pattern})


def _multiple_of(checker: Any, factor: float, value: Any, _schema: object) -> Iterator[Exception]:
    from jsonschema import ValidationError

    # As they are written: 4.35 is a multiple of 0.01, but of their nearest binary fractions not so.
    if checker.is_type(value, "number") and not _divides(str(factor), str(value)):
        yield ValidationError(f"{value!r} is not a multiple of {factor}")


def _divides(factor: str, value: str) -> bool:
    from fractions import Fraction

    try:
        return (Fraction(value) / Fraction(factor)).denominator == 1
    except ValueError:  # of what is infinite
        return False


def _pattern(checker: Any, pattern: str, value: Any, _schema: object) -> Iterator[Exception]:
    from jsonschema import ValidationError

    if checker.is_type(value, "string") and not is_found(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")
