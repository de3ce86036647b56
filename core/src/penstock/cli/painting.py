"""Shows Markdown on a terminal as it streams, with colours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from rich.syntax import Syntax
from rich.text import Text

from penstock.cli.inline import Inline, Span
from penstock.cli.markdown import Code, Markdown, Piece, Table
from penstock.cli.terminal import columns, harmless, has_colours
from penstock.cli.wrapping import Wrapping

if TYPE_CHECKING:
    from rich.table import Table as Grid

__all__ = ["MarkdownPainter"]

STYLES = {
    "heading1": "bold underline",
    "heading2": "bold",
    "heading3": "bold",
    "strong": "bold",
    "emphasis": "italic",
    "struck": "strike",
    "code": "cyan",
    "link": "underline",
    "address": "dim",
    "quote": "italic",
    "mark": "cyan",
    "rule": "dim",
}
"""Only the sixteen colours that every terminal has, and its user chose."""
PLAIN = Style.null()
ASIDE = Style(color="bright_black", italic=True)
THEME = "ansi_dark"
NARROWEST = 5
"""What a column of a table takes at least: a wide character, with a line and space around it."""
LOOKED_BACK = 100
"""How many lines of code are looked at to tell what the last one means."""


class MarkdownPainter:
    """Writes a text to `screen` as Markdown. What is written is never changed again."""

    def __init__(self, screen: TextIO) -> None:
        self._screen = screen
        self._coloured = has_colours(screen)
        self._markdown = Markdown()
        self._wrapping = Wrapping(lambda: columns(screen))
        self._code: list[str] = []
        self._inside = False
        """Whether the cursor is inside a line."""
        self._aside = False
        """Whether what was written last is no part of the text."""

    def feed(self, text: str) -> None:
        """Take a piece of the text, and show what is certain."""
        self._end_aside()
        self._paint(self._markdown.feed(harmless(text)))

    def aside(self, text: str) -> None:
        """Show what is said beside the text, as it is."""
        self._aside = True
        self._write(harmless(text), ASIDE)
        self._screen.flush()

    def flush(self) -> None:
        """Show the rest; the cursor is at the beginning of a line then."""
        self._paint(self._markdown.flush())
        self._spans(self._wrapping.flush())
        if self._inside:
            self._write("\n")
        self._screen.flush()

    def _end_aside(self) -> None:
        if self._aside and self._inside:
            self._write("\n")
        self._aside = False

    def _paint(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            if isinstance(piece, Code):
                self._show_code(piece)
            elif isinstance(piece, Table):
                self._show_table(piece)
            else:
                self._spans(self._wrapping.feed(piece))
        self._screen.flush()

    def _spans(self, spans: Iterable[Span]) -> None:
        for span in spans:
            self._write(span.text, _style(span.style))

    def _write(self, text: str, style: Style = PLAIN) -> None:
        looks = style if self._coloured else style.without_color
        # Line by line: a style that spans several would colour the rest of them on some terminals.
        lines = (looks.render(line, color_system=ColorSystem.STANDARD) for line in text.split("\n"))
        self._screen.write("\n".join(lines))
        self._inside = not text.endswith("\n")

    def _show_code(self, code: Code) -> None:
        if code.number == 0:
            self._code.clear()
        self._code = [*self._code, code.line][-LOOKED_BACK:]
        syntax = Syntax("", code.language or "text", theme=THEME)
        lines = syntax.highlight("\n".join(self._code)).split("\n", allow_blank=True)
        self._write(code.indent)
        for segment in lines[len(self._code) - 1].render(_console()):
            self._write(segment.text.rstrip("\n"), segment.style or PLAIN)
        self._write("\n")

    def _show_table(self, table: Table) -> None:
        console = _console()
        if len(table.rows[0]) * NARROWEST >= console.width:  # rich would leave columns empty
            self._write("".join(f"| {' | '.join(row)} |\n" for row in table.rows))
            return
        with console.capture() as captured:
            console.print(_grid(table))
        for line in captured.get().splitlines():
            self._write(f"{line.rstrip()}\n")


def _console() -> Console:
    return Console(markup=False, highlight=False, emoji=False)


def _style(names: str) -> Style:
    return Style.combine([PLAIN, *(Style.parse(STYLES[name]) for name in names.split())])


def _grid(table: Table) -> Grid:
    from rich import box
    from rich.table import Table as Grid

    heads, *rows = table.rows
    grid = Grid(box=box.ROUNDED, header_style="bold")
    for head in heads:
        grid.add_column(_text(head), overflow="fold")  # or a cell without spaces would be cut
    for row in rows:
        grid.add_row(*map(_text, row[: len(heads)]))
    return grid


def _text(cell: str) -> Text:
    inline = Inline()
    spans = [*inline.feed(cell), *inline.flush()]
    return Text.assemble(*((span.text, _style(span.style)) for span in spans))
