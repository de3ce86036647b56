"""Positions: on which line of a TOML text each key stands. tomllib does not tell."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from typing import Final, TypeAlias

__all__ = ["Position", "lines_of"]

Position: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys of tables, and places in arrays from 0."""

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"""' + r'"{0,2}'  # the last quotes may be of the text
    r"|'''[\s\S]*?'''" + r"'{0,2}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
)
_BARE_VALUE: Final = re.compile(r"[^,\]}#\n]*")


def lines_of(text: str) -> dict[Position, int]:
    """Return the line, from 1, of every key and every element of an array.

    `text` is what tomllib takes. A table that several lines speak of stands where its own header
    is, else where it is first mentioned.
    """
    return _Walk(text).found()


class _Walk:
    """One way through a text, from its first character to its last."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[Position, int] = {}
        self._lengths: dict[Position, int] = {}
        self._table: Position = ()

    def found(self) -> dict[Position, int]:
        while self._next() != "":
            if self._next() == "[":
                self._header()
            else:
                self._pair(self._table)
        return self._lines

    def _header(self) -> None:
        several = self._text.startswith("[[", self._at)
        brackets = 2 if several else 1
        self._at += brackets
        line, names = self._line(), self._dotted()
        self._at += brackets
        path: Position = ()
        for name in names[:-1]:
            path = self._last((*path, name), line)
        path = (*path, names[-1])
        if several:
            self._lines.setdefault(path, line)
            self._lengths[path] = self._lengths.get(path, 0) + 1
            path = self._last(path, line)
        self._lines[path] = line
        self._table = path

    def _last(self, path: Position, line: int) -> Position:
        """Note a table on the way; of an array of tables, its last one is meant."""
        self._lines.setdefault(path, line)
        return (*path, self._lengths[path] - 1) if path in self._lengths else path

    def _pair(self, table: Position) -> None:
        line, path = self._line(), table
        for name in self._dotted():
            path = (*path, name)
            self._lines.setdefault(path, line)
        self._at += 1  # the equals sign
        self._value(path)

    def _value(self, path: Position) -> None:
        self._skip(_SPACE)
        first = self._text[self._at]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        elif first in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_BARE_VALUE)

    def _array(self, path: Position) -> None:
        self._at += 1
        length = 0
        while self._next() != "]":
            element = (*path, length)
            self._lines.setdefault(element, self._line())
            self._value(element)
            length += 1
            self._comma()
        self._at += 1

    def _inline_table(self, path: Position) -> None:
        self._at += 1
        while self._next() != "}":
            self._pair(path)
            self._comma()
        self._at += 1

    def _dotted(self) -> list[str]:
        names = [self._name()]
        while self._text[self._at] == ".":
            self._at += 1
            names.append(self._name())
        return names

    def _name(self) -> str:
        self._skip(_SPACE)
        begin = self._at
        quoted = self._text[begin] in "\"'"
        self._skip(_STRING if quoted else _BARE_KEY)
        written = self._text[begin : self._at]
        self._skip(_SPACE)
        return str(tomllib.loads(f"key = {written}")["key"]) if quoted else written

    def _comma(self) -> None:
        if self._next() == ",":
            self._at += 1

    def _next(self) -> str:
        """Return the next character that says something, or nothing at the end."""
        self._skip(_BLANK)
        return self._text[self._at : self._at + 1]

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()

    def _line(self) -> int:
        return bisect_left(self._ends, self._at) + 1
