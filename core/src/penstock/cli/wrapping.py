"""Lines as wide as the terminal, broken between words, while the text still comes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from rich.cells import cell_len

from penstock.cli.inline import Span
from penstock.cli.markdown import Break, Hang

__all__ = ["Wrapping"]

_WIDE = (
    "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6"
)
_PARTS = re.compile(rf"\s+|[{_WIDE}]|[^\s{_WIDE}]+")
"""Spaces, characters that a line may be broken at, and the rest, which makes words."""
LEAST = 20
"""A terminal that is narrower than this is wrapped as if it were not."""


class Wrapping:
    """Places words on lines. A word is passed on once the space behind it has come.

    `width` is asked for each word, so that a terminal may change its size.
    """

    def __init__(self, width: Callable[[], int]) -> None:
        self._width = width
        self._at = 0
        self._rest = ""
        self._space = ""
        self._word: list[Span] = []
        self._length = 0
        self._torn = False
        """Whether the word that was passed on goes on, as it is longer than a line."""

    def feed(self, piece: Span | Hang | Break) -> Iterator[Span]:
        """Take a piece; yield what has found its place."""
        match piece:
            case Span(text, style):
                for part in _PARTS.findall(text):
                    yield from self._part(part, style)
            case Hang(first, rest):
                yield first
                self._at, self._rest = cell_len(first.text), rest
            case Break():
                yield from self.flush()
                yield Span("\n")
                self._at, self._rest, self._space, self._torn = 0, "", "", False

    def flush(self) -> Iterator[Span]:
        """Yield the word that is held back."""
        if not self._word:
            return
        width = max(LEAST, self._width())
        space = f"{' ' * self._at}{self._space}".expandtabs()[self._at :]
        wanted = self._at + cell_len(space) + self._length
        if wanted > width and self._at > len(self._rest) and not self._torn:
            yield Span(f"\n{self._rest}")
            self._at = len(self._rest)
        elif space:
            yield Span(space)
            self._at += cell_len(space)
        yield from self._word
        self._at += self._length
        if self._at > width:  # too long for any line: the terminal itself has wrapped it
            self._at %= width
        self._space, self._word, self._length = "", [], 0

    def _part(self, part: str, style: str) -> Iterator[Span]:
        if part.isspace():
            yield from self.flush()
            self._space += part
            self._torn = False
            return
        breakable = re.match(f"[{_WIDE}]", part) is not None
        if breakable:
            yield from self.flush()
            self._torn = False
        self._word.append(Span(part, style))
        self._length += cell_len(part)
        if breakable or self._length >= self._width():
            yield from self.flush()
            self._torn = not breakable
