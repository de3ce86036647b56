"""Marks inside a line of Markdown: `**strong**`, `*emphasis*`, code, links."""

from __future__ import annotations

import re
from collections.abc import Iterator

from penstock.values import dataclass

__all__ = ["Inline", "Span"]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text, and what it is: names of styles, with spaces between them."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class _Mark:
    """Something that opens and closes: how it looks whole, and as long as it is open."""

    whole: re.Pattern[str]
    open: re.Pattern[str]
    style: str
    sign: str


def _around(sign: str, style: str) -> _Mark:
    """Return a mark that stands on both sides of what neither begins nor ends with a space."""
    mark, one = re.escape(sign), re.escape(sign[0])
    # Between words, as in snake_case, an underscore is no mark.
    end = rf"(?!{one}|\w)" if sign[0] == "_" else rf"(?!{one})"
    whole = rf"{mark}(?!{one})(\S|\S.*?[^\s\\{one}]){mark}{end}"
    begun = "|".join(re.escape(sign[:length]) for length in range(1, len(sign)))
    still = rf"(?:{begun + '|' if begun else ''}{mark}(?:(?!{one})\S.*)?)\Z"
    return _Mark(re.compile(whole), re.compile(still), style, sign[0])


LONGEST = 200
"""How much is held back for a mark that may never close; then it stands for itself."""
_CODE = _Mark(re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)"), re.compile(r"`.*\Z"), "code", "`")
_LINK = _Mark(
    re.compile(r"!?\[([^\]]*)\]\((\S*?)\)"),
    re.compile(r"!?(?:\[(?:[^\]]*(?:\](?:\(\S*)?)?)?)?\Z"),
    "link",
    "[",
)
_AROUND = (
    _around("***", "strong emphasis"),
    _around("___", "strong emphasis"),
    _around("**", "strong"),
    _around("__", "strong"),
    _around("*", "emphasis"),
    _around("_", "emphasis"),
    _around("~~", "struck"),
)
_SPECIAL = re.compile(r"[`*_~\[\\!]")
_RUN = re.compile(r"([`*_~])\1*|.", re.DOTALL)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


class Inline:
    """Turns the text of one line into spans; `style` is what all of it has."""

    def __init__(self, style: str = "") -> None:
        self._style = style
        self._held = ""
        self._before = " "

    def feed(self, text: str) -> Iterator[Span]:
        """Take a piece of the line; yield what is certain now."""
        self._held += text
        yield from self._certain(final=False)

    def flush(self) -> Iterator[Span]:
        """Yield the rest; a mark that never closed stands for itself."""
        yield from self._certain(final=True)

    def _certain(self, *, final: bool) -> Iterator[Span]:
        while self._held:
            special = _SPECIAL.search(self._held)
            at = len(self._held) if special is None else special.start()
            if at:
                yield self._take(at)
                continue
            spans = self._marked(final=final)
            if spans is None:
                return
            yield from spans

    def _take(self, length: int) -> Span:
        text, self._held = self._held[:length], self._held[length:]
        self._before = text[-1]
        return Span(text, self._style)

    def _marked(self, *, final: bool) -> list[Span] | None:
        """Return the spans that the held text begins with; None if it may become several."""
        held = self._held
        if escaped := _ESCAPED.match(held):
            self._held = held[2:]
            return [Span(escaped[1], self._style)]
        for mark in self._possible():
            whole = mark.whole.match(held, 0, LONGEST)
            if whole and (final or mark is _LINK or whole.end() < len(held)):
                return self._closed(mark, whole)
        if not final and len(held) <= LONGEST and self._may_close(held):
            return None
        run = _RUN.match(held)
        return [self._take(1 if run is None else run.end())]

    def _may_close(self, held: str) -> bool:
        return held == "\\" or any(mark.open.match(held) for mark in self._possible())

    def _possible(self) -> Iterator[_Mark]:
        first = self._held[0]
        if first == "`":
            yield _CODE
        elif first in "[!":
            yield _LINK
        elif first != "_" or not (self._before.isalnum() or self._before == "_"):
            yield from (mark for mark in _AROUND if mark.sign == first)

    def _closed(self, mark: _Mark, whole: re.Match[str]) -> list[Span]:
        self._held = self._held[whole.end() :]
        self._before = whole[0][-1]
        style = f"{self._style} {mark.style}".strip()
        if mark is _CODE:
            return [Span(_unpadded(whole[2]), style)]
        inner = Inline(style)
        spans = [*inner.feed(whole[1]), *inner.flush()]
        if mark is _LINK and whole[2] and whole[2] != whole[1]:
            spans.append(Span(f" ({whole[2]})", f"{self._style} address".strip()))
        return spans


def _unpadded(code: str) -> str:
    """Return code less the one space on both sides that lets it begin with a backtick."""
    padded = code.startswith(" ") and code.endswith(" ") and code.strip()
    return code[1:-1] if padded else code
