"""Forms: from the text of a bound answer to what was asked for, and back for examples."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from penstock.constraint import Constraint, TypedSchema
from penstock.errors import IncompleteAnswer, InvalidAnswer
from penstock.matching import is_matched, validator

if TYPE_CHECKING:
    from penstock.events import FinishReason

__all__ = ["Form", "form_of", "judged", "why"]

_SHOWN = 120
_CUTS: dict[str, str] = {
    "length": "Allow more max_tokens or a longer context, or ask for less",
    "stop_sequence": "Leave `stop` out: an answer of a form ends by itself",
    "content_filter": "The server's filter did that: ask in other words",
}


class Form(ABC):
    """What an answer of one kind is worth."""

    cuttable = False
    """Whether a stop string may end it anywhere."""

    @abstractmethod
    def read(self, text: str) -> object:
        """Return what a whole answer stands for. Raises what is wrong with it."""

    @abstractmethod
    def write(self, value: object) -> str:
        """Return the answer that stands for `value`. Raises what is wrong with it."""

    def is_whole(self, text: str) -> bool:  # noqa: ARG002  # for overrides
        """Whether nothing can follow. False where only the engine can tell."""
        return False


def form_of(constraint: Constraint | None) -> Form:
    """Return the form that `constraint` gives an answer; without one, that of any text."""
    if constraint is None:
        return _Text(None)
    value = constraint.value
    if isinstance(value, TypedSchema):
        return _Typed(value)
    if isinstance(value, tuple):
        return _Choice(value)
    if constraint.kind == "json_schema":
        return _Json(value)
    return _Text(value if constraint.kind == "regex" else None)


def judged(constraint: Constraint, text: str, reason: FinishReason) -> tuple[FinishReason, object]:
    """Return why an answer ended, and what it stands for; None where it asks for tools instead.

    One that is whole was not cut by its limit, however it looks to the engine. Raises
    `IncompleteAnswer` for one that was cut, and `InvalidAnswer` for one of another form.
    """
    if reason == "tool_calls":
        return reason, None
    form = form_of(constraint)
    if reason in _CUTS and not (reason == "stop_sequence" and form.cuttable):
        if not form.is_whole(text):
            raise IncompleteAnswer(
                f"the answer was cut before it was whole ({reason}): {_end_of(text)!r}",
                reason=reason,
                hint=_CUTS[reason],
            )
        reason = "stop" if reason == "length" else reason
    try:
        return reason, form.read(text)
    except Exception as error:
        raise InvalidAnswer(
            f"the answer {_beginning_of(text)!r} is not what was asked for: {why(error)}",
            hint="Ask again, or loosen what is asked for",
        ) from error


def why(error: Exception) -> str:
    """Return what a validator has against a value, in one line."""
    if not hasattr(error, "error_count"):  # pydantic's own has several
        return str(getattr(error, "message", error))
    errors = error.errors(include_url=False)  # type: ignore[attr-defined]
    found = ((".".join(map(str, one["loc"])), one["msg"]) for one in errors)
    return "; ".join(f"{at}: {message}" if at else message for at, message in found)


class _Json(Form):
    def __init__(self, schema: str) -> None:
        self._schema = schema

    def read(self, text: str) -> object:
        value: object = json.loads(text, parse_constant=_not_json)
        return value

    def write(self, value: object) -> str:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        validator(self._schema).validate(json.loads(text))
        return text

    def is_whole(self, text: str) -> bool:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return False
        return isinstance(value, bool) or not isinstance(value, int | float)  # digits may follow


class _Typed(_Json):
    def __init__(self, schema: TypedSchema) -> None:
        super().__init__(schema)
        self._adapter = schema.adapter

    def read(self, text: str) -> object:
        value: object = self._adapter.validate_json(text)
        return value

    def write(self, value: object) -> str:
        try:
            return self._written(value)
        except ValueError:  # JSON data may be read where values are not: by a strict type, an alias
            with suppress(ValueError, TypeError):
                return self._readable(json.dumps(value, allow_nan=False, ensure_ascii=False))
            raise

    def _written(self, value: object) -> str:
        adapter = self._adapter
        made = adapter.validate_python(value)
        # A round trip has no computed fields: no answer could give them.
        data = adapter.dump_python(made, by_alias=True, round_trip=True)
        plain = adapter.dump_python(made, mode="json", by_alias=True, round_trip=True)
        return self._readable(json.dumps(_with_numbers(plain, data), ensure_ascii=False))

    def _readable(self, text: str) -> str:
        self._adapter.validate_json(text)  # what the type writes it may not read
        return text


class _Choice(Form):
    def __init__(self, choices: tuple[str, ...]) -> None:
        self._choices = choices

    def read(self, text: str) -> object:
        if text not in self._choices:
            raise ValueError(f"it is none of {', '.join(map(repr, self._choices))}")
        return text

    def write(self, value: object) -> str:
        self.read(_text(value))
        return _text(value)

    def is_whole(self, text: str) -> bool:
        longer = (choice for choice in self._choices if choice != text)
        return text in self._choices and not any(choice.startswith(text) for choice in longer)


class _Text(Form):
    """Text whose grammar only the engine knows; an expression may be of another dialect."""

    cuttable = True

    def __init__(self, regex: str | None) -> None:
        self._regex = regex

    def read(self, text: str) -> object:
        return text

    def write(self, value: object) -> str:
        text = _text(value)
        if self._regex is not None and not is_matched(self._regex, text):
            raise ValueError(f"it is not matched by {self._regex!r}")
        return text


def _with_numbers(plain: object, data: object) -> object:
    """Return `plain` with a number for each decimal of `data`, which pydantic writes as text."""
    from decimal import Decimal

    if isinstance(data, Decimal):
        number = float(data)
        exact = Decimal(repr(number)) == data
        return plain if not exact else int(number) if number.is_integer() else number
    if isinstance(plain, dict) and isinstance(data, dict):
        pairs = zip(plain.items(), data.values(), strict=False)
        return {name: _with_numbers(one, other) for (name, one), other in pairs}
    if isinstance(plain, list) and isinstance(data, Collection):
        return [_with_numbers(one, other) for one, other in zip(plain, data, strict=False)]
    return plain


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it is not text")
    return value


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _beginning_of(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _end_of(text: str) -> str:
    return text if len(text) <= _SHOWN else f"…{text[-_SHOWN:]}"
