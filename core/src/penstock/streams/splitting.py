"""Splitting: where words, sentences and paragraphs end, and the stage that cuts there."""

from __future__ import annotations

import re
from collections.abc import Iterable

from penstock.events import Delta
from penstock.streams.stream import Stage
from penstock.values import dataclass

__all__ = ["PARAGRAPH", "SENTENCE", "WORD", "Boundary", "Split"]


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where pieces of text end: behind `pattern`, made of `marks` and what follows them."""

    pattern: re.Pattern[str]
    marks: str


_SPACE = (
    " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)  # all that `\s` matches, or pieces would depend on how the text was cut
_CLOSING = "\"')]”’»"
_CJK_END, _CJK_CLOSING = "。！？", "”’」』）"

# Each pattern begins to match at one place of a run of marks, so that a search takes no longer than
# the run is: a model may repeat a mark for ever, and what follows the run is still to come.
WORD = Boundary(re.compile(r"(?<=\S)\s+(?=\S)"), _SPACE)
SENTENCE = Boundary(
    re.compile(
        rf"[.!?…][{re.escape(_CLOSING)}]*\s+(?=\S)"
        rf"|(?<![{_CJK_END}])[{_CJK_END}]+[{_CJK_CLOSING}]*\s*(?=[^\s{_CJK_END}{_CJK_CLOSING}])"
    ),
    ".!?…" + _CLOSING + _CJK_END + _CJK_CLOSING + _SPACE,
)
PARAGRAPH = Boundary(re.compile(r"(?<!\s)[^\S\n]*\n[^\S\n]*\n\s*(?=\S)"), _SPACE)


class Split(Stage[Delta, str]):
    """Pieces of text, each with its delimiter; joined, they are the whole text.

    A piece is passed on with the first character behind its delimiter. The work for a delta does
    not grow with the length of a piece.
    """

    def __init__(self, boundary: Boundary) -> None:
        self._boundary = boundary
        self._parts: list[str] = []
        self._tail = ""

    def feed(self, item: Delta) -> Iterable[str]:
        text = self._tail + item.text
        pieces, at = [], 0
        for found in self._boundary.pattern.finditer(text):
            pieces.append(self._piece(text[at : found.end()]))
            at = found.end()
        self._hold(text[at:])
        return pieces

    def flush(self) -> Iterable[str]:
        rest = self._piece(self._tail)
        self._tail = ""
        return (rest,) if rest else ()

    def _piece(self, end: str) -> str:
        piece = "".join((*self._parts, end))
        self._parts.clear()
        return piece

    def _hold(self, rest: str) -> None:
        """Keep back only what the next search must see: marks at the end, and what they follow."""
        settled = max(0, len(rest.rstrip(self._boundary.marks)) - 1)
        self._parts.append(rest[:settled])
        self._tail = rest[settled:]
