"""Whether an answer is what was asked for: servers that ignore a schema answer all the same."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from penstock.constraint import Constraint
from penstock.errors import MalformedAnswer
from penstock.matching import is_matched, validator

__all__ = ["Check", "check_of"]

_SHOWN = 120
_ELSE = "The server may not honour it: choose another flavor, or another model"


class Check(ABC):
    """Fed with the text of an answer, says at its end whether it is one that was asked for."""

    def __init__(self, constraint: Constraint) -> None:
        self._constraint = constraint
        self._parts: list[str] = []

    def prepare(self) -> None:
        """Get ready, off the event loop: the import alone takes a tenth of a second."""
        return

    def add(self, text: str) -> None:
        """Take a piece of the answer."""
        self._parts.append(text)

    def verdict(self) -> MalformedAnswer | None:
        """Return what is wrong with the whole; None: nothing is."""
        text = "".join(self._parts)
        why = self._fault(text)
        if why is None:
            return None
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        return MalformedAnswer(f"the answer {shown!r} {why}", hint=_ELSE)

    @abstractmethod
    def _fault(self, text: str) -> str | None: ...


class _Schema(Check):
    _validator: Any = None

    def prepare(self) -> None:
        self._validator = validator(str(self._constraint.value))

    def _fault(self, text: str) -> str | None:
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError) as error:
            return f"is no JSON: {error}"
        try:
            wrong = next(self._validator.iter_errors(answer), None)
        except Exception as error:  # noqa: BLE001  # a schema that refers to what is not there
            return f"cannot be checked by the schema: {error}"
        if wrong is None:
            return None
        return f"is not valid by the schema: {wrong.message}, at {wrong.json_path}"


class _Regex(Check):
    def prepare(self) -> None:
        is_matched(str(self._constraint.value), "")

    def _fault(self, text: str) -> str | None:
        regex = str(self._constraint.value)
        return None if is_matched(regex, text) else f"is not matched by {regex!r}"


class _Choices(Check):
    def _fault(self, text: str) -> str | None:
        return None if text in self._constraint.value else "is none of the choices"


_CHECKS: Mapping[str, Callable[[Constraint], Check]] = {
    "json_schema": _Schema,
    "regex": _Regex,
    "choices": _Choices,
}


def check_of(constraint: Constraint | None) -> Check | None:
    """Return the check of a constraint.

    There is none for grammars, which are the server's own, nor where whoever asks checks.
    """
    if constraint is None or constraint.checked:
        return None
    kind = _CHECKS.get(constraint.kind)
    return None if kind is None else kind(constraint)
