"""How plain text becomes tokens: by the library's function, or by what its legacy models know."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from typing import Protocol

__all__ = ["GptSplitter", "Native", "NativeSplitter", "UnigramSplitter"]

_WORD = re.compile(rb"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")

_UNKNOWN = 1e4
"""What a byte that no token stands for costs: more than any tokens would."""


class Native(Protocol):
    """The library's function, held open. It writes ids to an array, and returns how many."""

    def __call__(self, text: bytes, ids: ctypes.Array[ctypes.c_int], /) -> int: ...


class NativeSplitter:
    """Cuts text with the library's function.

    It writes as many ids as there are, whatever room it has: a byte may become one, and spaces
    become three. And it reads no further than to a zero, so that these are put in here.
    """

    def __init__(self, native: Native, *, prefixed: bool, zero: int | None) -> None:
        self._native = native
        self._prefixed = prefixed
        self._zero = zero

    def __call__(self, text: bytes) -> list[int]:
        first, *others = text.split(b"\0")
        ids = self._ids(first)
        for other in others:
            ids += [] if self._zero is None else [self._zero]
            ids += self._behind(other)
        return ids

    def _behind(self, text: bytes) -> list[int]:
        if not self._prefixed:
            return self._ids(text)
        return self._ids(b"\x02" + text)[len(self._ids(b"\x02")) :] if text else []

    def _ids(self, text: bytes) -> list[int]:
        if not text:
            return []
        ids = (ctypes.c_int * (4 * len(text) + 16))()
        return ids[: self._native(text, ids)]


class GptSplitter:
    """Cuts text into words, and words into their longest tokens, as the library does.

    Its own function overflows the stack on long words, prints about what it does not know, and
    takes some texts of users for control tokens.
    """

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._by_piece = {piece: token for token, piece in enumerate(pieces) if piece}
        self._most = max(map(len, pieces), default=0)

    def __call__(self, text: bytes) -> list[int]:
        return [token for word in _WORD.findall(text) for token in self._longest(word)]

    def _longest(self, word: bytes) -> Iterator[int]:
        at, by_piece = 0, self._by_piece
        while at < len(word):
            ends = range(min(len(word), at + self._most), at, -1)
            end = next((end for end in ends if word[at:end] in by_piece), None)
            if end is not None:
                yield by_piece[word[at:end]]
            at = end or at + 1


class UnigramSplitter:
    """Cuts text so that the sum of its tokens' scores is the greatest, as sentencepiece does.

    The library's own function takes time with the third power of the text's length. What no token
    stands for becomes the first token, which is the unknown one.
    """

    def __init__(self, pieces: Sequence[bytes], scores: Sequence[float]) -> None:
        self._by_piece = {piece: token for token, piece in enumerate(pieces) if piece}
        self._most = max(map(len, pieces), default=1)
        self._scores = scores

    def __call__(self, text: bytes) -> list[int]:
        best: list[tuple[float, int, int]] = [(0.0, 0, 0)]  # score, where the token begins, token
        for end in range(1, len(text) + 1):
            ways = list(self._ways(text, end, best))
            unknown = best[end - 1][0] - _UNKNOWN, end - 1, 0
            best.append(max(ways, key=lambda way: way[0]) if ways else unknown)
        return self._path(best)

    def _ways(
        self, text: bytes, end: int, best: Sequence[tuple[float, int, int]]
    ) -> Iterator[tuple[float, int, int]]:
        for start in range(max(0, end - self._most), end):
            token = self._by_piece.get(text[start:end])
            if token is not None:
                yield best[start][0] + self._scores[token], start, token

    def _path(self, best: Sequence[tuple[float, int, int]]) -> list[int]:
        ids: list[int] = []
        at = len(best) - 1
        while at:
            _, at, token = best[at]
            if token or ids[-1:] != [0]:  # what is unknown is one stretch
                ids.append(token)
        return ids[::-1]
