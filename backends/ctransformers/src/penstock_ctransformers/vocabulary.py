"""Text to tokens, and tokens to bytes."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Protocol, TypeAlias

from penstock.errors import UsageError
from penstock.messages import Segment

from penstock_ctransformers.modelfile import Words

__all__ = ["Splitter", "Vocabulary"]

_SEAM = "\x02"
"""A character that no vocabulary merges with others: what comes behind it stands for itself."""

_Part: TypeAlias = str | int
"""A stretch of plain text, or a token that a text stands for as a whole."""


class Splitter(Protocol):
    """Cuts plain text into tokens. Raises `ModelClosed`."""

    def __call__(self, text: bytes, /) -> list[int]: ...


class Vocabulary:
    """The vocabulary of a model. Safe from any thread, also while a generation runs.

    size         how many tokens there are
    pieces       the bytes of each; control tokens have none
    bos, eos     ids of the tokens that begin and end a text, -1 where there is none
    ends         the tokens that end a text
    """

    suppressed: tuple[int, ...] = ()

    def __init__(self, words: Words, pieces: Sequence[bytes], split: Splitter) -> None:
        self._words = words
        self._split = split
        self.size = len(pieces)
        self.pieces = pieces
        self.bos, self.eos, self.ends = words.bos, words.eos, words.ends
        self._control = frozenset(words.control.values())
        self._spliced = self._control | frozenset(words.own.values())
        self._find = _finder(words.own)
        self._find_control = _finder({**words.own, **words.control})

    def encode(self, prompt: Sequence[Segment]) -> list[int]:
        """Return the ids that `prompt` is evaluated as, with exactly one BOS if the model has it.

        No text segment yields a control token. Raises `ModelClosed`.
        """
        ids: list[int] = []
        # Neighbouring texts are cut into tokens together, as the model was trained; only control
        # tokens, and others that stand for themselves, part them.
        for kind, parts in groupby(self._parts(prompt), type):
            run = list(parts)
            ids += self._plain("".join(map(str, run))) if kind is str else map(int, run)
        if self._words.adds_bos and self.bos >= 0 and ids[:1] != [self.bos]:
            ids.insert(0, self.bos)
        return ids

    def decode(self, ids: Iterable[int]) -> bytes:
        """Return the bytes of `ids`; control tokens have none.

        Raises `UsageError` for an id that is not in the vocabulary.
        """
        return b"".join(self._decode(list(ids)))

    def continue_with(self, text: str) -> list[int]:
        """Return the ids of `text` as they are in the middle of a text: no BOS, no space added."""
        data = text.encode("utf-8", "replace")
        if not self._words.prefixed:
            return self._safe(self._split(data))
        seam = _SEAM.encode()
        before, ids = self._split(seam), self._split(seam + data)
        return self._safe(ids[len(before) :]) if ids[: len(before)] == before else []

    def all_pieces(self) -> Sequence[bytes]:
        """Return the bytes of every token; control tokens have none."""
        return self.pieces

    def trims_after(self, ids: Sequence[int]) -> bool:
        """Whether text after `ids` begins with a space that the vocabulary put there itself."""
        return self._words.adds_space and bool(ids) and ids[-1] in self._spliced

    def name(self, token: int) -> str:
        """Return what the vocabulary calls a control token, such as "</s>"; "" for others."""
        return next((name for name, at in self._words.control.items() if at == token), "")

    def _parts(self, prompt: Sequence[Segment]) -> Iterator[_Part]:
        for segment in prompt:
            yield from (self._find_control if segment.control else self._find)(segment.text)

    def _plain(self, text: str) -> list[int]:
        words = self._words
        if not words.adds_space:
            return self.continue_with(text)
        if words.prefixed:
            return self._safe(self._split(text.encode("utf-8", "replace")))
        return self.continue_with(" " + text)

    def _safe(self, ids: list[int]) -> list[int]:
        """Spell out what came together to a control token: plain text must not become one."""
        if self._control.isdisjoint(ids):
            return ids
        return [one for token in ids for one in self._spelled(token)]

    def _spelled(self, token: int) -> Iterable[int]:
        if token not in self._control:
            return (token,)
        by_piece = self._by_piece
        data = self.name(token).encode()
        return [
            by_piece[data[at : at + 1]] for at in range(len(data)) if data[at : at + 1] in by_piece
        ]

    @functools.cached_property
    def _by_piece(self) -> dict[bytes, int]:
        return {piece: token for token, piece in enumerate(self.pieces) if piece}

    def _decode(self, ids: list[int]) -> Iterator[bytes]:
        for at, token in enumerate(ids):
            if not 0 <= token < self.size:
                raise UsageError(
                    f"there is no token {token!r}", hint=f"The vocabulary has {self.size}"
                )
            piece = self.pieces[token]
            yield piece.removeprefix(b" ") if self.trims_after(ids[at - 1 : at]) else piece


def _finder(tokens: Mapping[str, int]) -> Callable[[str], Iterator[_Part]]:
    """Return what cuts a text at the texts that stand for tokens, the longest first."""
    if not tokens:
        return lambda text: iter([text] if text else [])
    pattern = re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))))

    def find(text: str) -> Iterator[_Part]:
        at = 0
        for match in pattern.finditer(text):
            if match.start() > at:
                yield text[at : match.start()]
            yield tokens[match[0]]
            at = match.end()
        if at < len(text):
            yield text[at:]

    return find
