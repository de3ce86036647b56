"""A vocabulary, as llguidance takes it."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from llguidance import LLTokenizer, TokenizerWrapper
from numpy.typing import NDArray

from penstock.errors import ModelClosed
from penstock.guides.words import Words

__all__ = ["Lexicon"]


class Lexicon:
    """The pieces of all tokens, and how text is cut into them. Raises `ModelClosed`.

    silent      tokens that are never part of an answer: control tokens, and others without text
    text_bits   a bit for each token that has text; `end_bits` for those that end a text,
                `space_bits` for those that are a single space
    """

    def __init__(self, vocabulary: Words) -> None:
        self._vocabulary = vocabulary
        self.size = vocabulary.size
        self.pieces = vocabulary.all_pieces()
        self.ends = frozenset(vocabulary.ends)
        empty = (token for token, piece in enumerate(self.pieces) if not piece)
        self.silent = self.ends.union(empty, vocabulary.suppressed)
        self.text_bits = self._bits(lambda token: token not in self.silent)
        self.end_bits = self._bits(self.ends.__contains__)
        self.space_bits = self._bits(lambda token: self.pieces[token] == b" ")
        self._tokenizers: dict[bool, LLTokenizer] = {}

    def tokenizer(self, *, trimmed: bool) -> LLTokenizer:
        """Return llguidance's tokenizer; `trimmed`, one whose tokens have lost a space in front."""
        if trimmed not in self._tokenizers:
            words = _Tokenizer(self._vocabulary, self, trimmed=trimmed)
            self._tokenizers[trimmed] = LLTokenizer(TokenizerWrapper(words), eos_token=words.ends)
        return self._tokenizers[trimmed]

    def trimmed(self, token: int) -> bytes:
        """Return the bytes of `token` without a space in front."""
        return self.pieces[token].removeprefix(b" ")

    def spelled(self, data: bytes) -> list[int]:
        """Return ids whose pieces make `data`; which ones does not matter to a parser of bytes."""
        return self.tokenizer(trimmed=False).tokenize_bytes(data) if data else []

    def _bits(self, holds: Callable[[int], bool]) -> NDArray[np.uint8]:
        flags = np.zeros(-(-self.size // 32) * 32, np.bool_)
        flags[: self.size] = [holds(token) for token in range(self.size)]
        return np.packbits(flags, bitorder="little")


class _Tokenizer:
    """What llguidance asks of a tokenizer. The names are its own.

    `trimmed`: a space in front of each piece is taken away, as from the first of an answer.
    """

    def __init__(self, vocabulary: Words, lexicon: Lexicon, *, trimmed: bool) -> None:
        self._vocabulary = vocabulary
        self._trimmed = trimmed
        silent = lexicon.silent
        # llguidance wants an end: where the vocabulary has none, one that is never allowed.
        self.ends = list(vocabulary.ends) or [min(silent, default=0)]
        self.eos_token_id = self.ends[0]
        self.bos_token_id = vocabulary.bos if vocabulary.bos >= 0 else None
        self.special_token_ids = sorted(silent)
        self.tokens = [
            # The byte 0xff, which no text holds, marks what is no text.
            b"\xff[%d]" % token if token in silent else piece[trimmed and piece[:1] == b" " :]
            for token, piece in enumerate(lexicon.pieces)
        ]

    def __call__(self, text: bytes) -> list[int]:
        """Return ids whose pieces make `text`; llguidance fails where they make another one."""
        ids = self._as_written(text)
        done = b"".join(self.tokens[token] for token in ids)
        if not text.startswith(done):
            ids, done = [], b""
        return ids + self._longest(text[len(done) :])

    def _as_written(self, text: bytes) -> list[int]:
        before = " " if self._trimmed else ""
        try:
            ids = self._vocabulary.continue_with(before + text.decode("utf-8", "replace"))
        except ModelClosed:
            return []  # errors end nothing well in there; the engine's next step raises it
        return ids[:1] if self._trimmed else ids

    def _longest(self, text: bytes) -> list[int]:
        ids: list[int] = []
        while text:
            length = min(len(text), self._most)
            while length and text[:length] not in self._by_piece:
                length -= 1
            if not length:
                break  # no token has this byte
            ids.append(self._by_piece[text[:length]])
            text = text[length:]
        return ids

    @functools.cached_property
    def _by_piece(self) -> dict[bytes, int]:
        return {piece: token for token, piece in enumerate(self.tokens) if piece[:1] != b"\xff"}

    @functools.cached_property
    def _most(self) -> int:
        return max(map(len, self._by_piece))
