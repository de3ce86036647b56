"""Partials: what there is so far of an answer in JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from penstock.errors import UsageError
from penstock.events import Delta
from penstock.streams.stream import Stage

if TYPE_CHECKING:
    from penstock.streams.generation import Generation

__all__ = ["Partials"]

_ENDS = re.compile(r'[,\]}"]')
"""Where a value ends, if it ends there: a number before a comma has no more digits."""

_OF_NUMBERS = "-+.0123456789eE"
_MARKS = re.compile(r'\\.|"', re.DOTALL)
_NOTHING = object()


class Partials(Stage[Delta, Any]):
    """Each state of a JSON value while it grows, then what it was asked for.

    A look reads all of the text so far, so there is none where nothing can have come to its end.
    """

    def __init__(self, generation: Generation, *, growing: bool) -> None:
        self._constraint = generation.constraint
        if self._constraint is None or self._constraint.kind != "json_schema":
            raise UsageError("this answer is bound by no schema", hint="Pass schema= to the call")
        self._generation = generation
        self._growing = growing
        self._read = _reader(growing=growing)
        self._strings = _Strings()
        self._parts: list[str] = []
        self._last: Any = _NOTHING

    def feed(self, item: Delta) -> Iterable[Any]:
        self._parts.append(item.text)
        self._strings.feed(item.text)
        if not item.text or not (self._growing or _ENDS.search(item.text)):
            return ()
        self._parts = ["".join(self._parts)]
        return self._news(self._settled(self._parts[0]))

    def flush(self) -> Iterable[Any]:
        if not self._generation.formed:
            return ()
        parsed = self._generation.completion.parsed
        assert self._constraint is not None
        return (parsed,) if self._constraint.checked or parsed != self._last else ()

    def _news(self, text: str) -> Iterable[Any]:
        try:
            value = self._read(text)
        except ValueError:  # nothing is whole yet
            return ()
        if value == self._last:
            return ()
        self._last = value
        return (value,)

    def _settled(self, text: str) -> str:
        """Return the text without what is still open, be it only a number with digits to come."""
        if self._growing:
            return text if self._strings.open else text.rstrip(_OF_NUMBERS)
        return text[: max(map(text.rfind, ',]}"')) + 1]


class _Strings:
    """Whether the JSON fed so far ends within a string: `open`."""

    def __init__(self) -> None:
        self.open = False
        self._escape = ""

    def feed(self, text: str) -> None:
        text = self._escape + text
        self.open ^= bool(_MARKS.findall(text).count('"') % 2)
        self._escape = "\\" if _MARKS.sub("", text).endswith("\\") else ""


def _reader(*, growing: bool) -> Callable[[str], Any]:
    from pydantic_core import from_json  # 20 ms, for those who look

    mode: Literal[True, "trailing-strings"] = "trailing-strings" if growing else True
    return lambda text: from_json(text, allow_partial=mode)
