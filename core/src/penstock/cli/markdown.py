"""Markdown while it streams: text in, pieces with a style out, and nothing is ever taken back.

What was shown stays as it is, so that a terminal may scroll and change its size meanwhile. So no
more is held back than is open: a line whose kind its first characters leave open, a word between
asterisks until they close, a row of a table until the table ends, a line of code until it ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from penstock.cli.inline import Inline, Span
from penstock.values import dataclass

__all__ = ["Break", "Code", "Hang", "Markdown", "Piece", "Table"]


@dataclass(frozen=True, slots=True)
class Hang:
    """The beginning of a line; if the line is wrapped, the lines behind begin with `rest`."""

    first: Span
    rest: str


@dataclass(frozen=True, slots=True)
class Break:
    """The end of a line."""


@dataclass(frozen=True, slots=True)
class Code:
    """A line of code. `number` is 0 for the first line of a block."""

    line: str
    language: str
    number: int
    indent: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the texts of its cells, the heads first."""

    rows: tuple[tuple[str, ...], ...]


Piece: TypeAlias = Span | Hang | Break | Code | Table

_OPEN = re.compile(r"\s*(?:`{1,2}|~{1,2}|#{1,6}|[-*_](?:\s*[-*_])*|\+|\d{1,9}[.)]?|>)?\s*\Z")
"""The beginning of a line that may still become a line of several kinds."""
_WHOLE = re.compile(r"\s*(?:`{3}|~{3}|\|)")
"""The beginning of a line whose meaning depends on all of it."""
_FENCE = re.compile(r"(?P<indent>\s*)(?P<fence>`{3,}|~{3,})\s*(?P<language>[\w+#.-]*)[^`]*\Z")
_ROW = re.compile(r"\s*\|.*")
_RULER = re.compile(r"\s*(?:-\s*){3,}\Z|\s*(?:\*\s*){3,}\Z|\s*(?:_\s*){3,}\Z")
_SEPARATOR = re.compile(r"[\s|:-]+\Z")
_HEADING = re.compile(r"\s{0,3}(#{1,6})\s+")
_BULLET = re.compile(r"(\s*)[-*+]\s+")
_NUMBERED = re.compile(r"(\s*)(\d{1,9}[.)])\s+")
_QUOTE = re.compile(r"\s{0,3}>\s?")
_MARGIN = re.compile(r"\s*")
_CELL = re.compile(r"(?<!\\)\|")
LEVELS = ("heading1", "heading2", "heading3")
TAB = 4
"""Columns between tab stops, in what a line begins with."""


class Markdown:
    """Turns a stream of Markdown into pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._inline: Inline | None = None
        self._fence: re.Match[str] | None = None
        self._code_lines = 0
        self._rows: list[str] = []

    def feed(self, text: str) -> Iterator[Piece]:
        """Take a piece of the text; yield what is certain now."""
        self._held += text
        while self._held:
            before = self._held, self._inline
            yield from self._step(final=False)
            if (self._held, self._inline) == before:
                return

    def flush(self) -> Iterator[Piece]:
        """Yield what was held back, as it is at the end of the text."""
        while self._held:
            yield from self._step(final=True)
        if self._inline is not None:
            yield from self._inline.flush()
        yield from self._end_table()
        self._inline = self._fence = None

    def _step(self, *, final: bool) -> Iterator[Piece]:
        if self._inline is not None:
            yield from self._text(self._inline)
        elif self._fence is not None:
            yield from self._code(self._fence, final=final)
        else:
            yield from self._line(final=final)

    def _text(self, inline: Inline) -> Iterator[Piece]:
        text, newline, self._held = self._held.partition("\n")
        yield from inline.feed(text)
        if newline:
            yield from inline.flush()
            yield Break()
            self._inline = None

    def _code(self, fence: re.Match[str], *, final: bool) -> Iterator[Piece]:
        if "\n" not in self._held and not final:
            return
        line, _, self._held = self._held.partition("\n")
        bare = line.strip()
        if bare.startswith(fence["fence"]) and not bare.strip(bare[0]):
            self._fence = None
            return
        indent = fence["indent"]
        yield Code(line.removeprefix(indent), fence["language"], self._code_lines, indent)
        self._code_lines += 1

    def _line(self, *, final: bool) -> Iterator[Piece]:
        """Tell the kind of a line that begins, as soon as it can be told."""
        line, newline, rest = self._held.partition("\n")
        whole = final or bool(newline)
        if not whole and (_OPEN.match(line) or _WHOLE.match(line)):
            return
        if _ROW.match(line):
            self._rows.append(line)
            self._held = rest
            return
        yield from self._end_table()
        if whole and (fence := _FENCE.match(line)):
            self._fence, self._code_lines, self._held = fence, 0, rest
        elif whole and _RULER.match(line):
            self._held = rest
            yield Hang(Span("─", "rule"), "")
            yield Break()
        else:
            yield from self._begin(line)

    def _begin(self, line: str) -> Iterator[Piece]:
        """Begin a line of text; what it has behind its mark is read next."""
        style, shown, rest, length = "", "", "", 0
        if mark := _HEADING.match(line):
            style, length = LEVELS[min(len(mark[1]), len(LEVELS)) - 1], mark.end()
        elif mark := _BULLET.match(line):
            shown, length = f"{mark[1]}• ", mark.end()
        elif mark := _NUMBERED.match(line):
            shown, length = f"{mark[1]}{mark[2]} ", mark.end()
        elif mark := _QUOTE.match(line):
            style, shown, rest, length = "quote", "│ ", "│ ", mark.end()
        elif mark := _MARGIN.match(line):
            shown, length = mark[0], mark.end()
        shown = shown.expandtabs(TAB)
        if shown:
            yield Hang(Span(shown, "mark" if shown.strip() else ""), rest or " " * len(shown))
        self._held = self._held[length:]
        self._inline = Inline(style)

    def _end_table(self) -> Iterator[Piece]:
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        if len(rows) > 1 and _SEPARATOR.match(rows[1]):
            yield Table(tuple(map(_cells, [rows[0], *rows[2:]])))
            return
        for row in rows:  # lines with bars, and no table
            yield Span(row)
            yield Break()


def _cells(row: str) -> tuple[str, ...]:
    inner = row.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return tuple(cell.strip().replace("\\|", "|") for cell in _CELL.split(inner))
