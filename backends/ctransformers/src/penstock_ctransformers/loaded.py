"""A loaded model: the C object, what it has evaluated, and its logits."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from penstock.errors import EngineError, InvalidModel, ModelClosed

from penstock_ctransformers.library import Config, Library
from penstock_ctransformers.modelfile import ModelFile

__all__ = ["Loaded", "Threads"]

_MANY = 32
"""Tokens from which on an evaluation may be worth more threads than one token is."""


@dataclass(frozen=True, slots=True)
class Threads:
    """How many threads evaluate one token, and many at once."""

    one: int
    many: int


class Loaded:
    """Owns the library's object. Raises `InvalidModel` where the library refuses the file.

    `evaluate` and `close` are for one thread; `tokenize` may be called from any, also meanwhile.

    held      the tokens that are evaluated, in their order
    context   how many it can hold
    size      how many tokens there are to choose from
    """

    def __init__(self, library: Library, file: ModelFile, config: Config, threads: Threads) -> None:
        self.library = library
        self.file = file
        self.threads = threads
        self.gpu_layers = config.gpu_layers
        self._open = threading.Lock()
        # Legacy models of a type evaluate in the same memory, whichever thread they are on.
        self._turn = library.turn if file.legacy else nullcontext()
        self._logits: NDArray[np.float32] = np.empty(0, np.float32)
        self._address: int | None = None
        self.held: list[int] = []
        self._pointer = library.create(os.fsencode(file.path), file.model_type.encode(), config)
        if not self._pointer:
            raise InvalidModel(
                f"ctransformers cannot load {str(file.path)!r}, and does not say why",
                hint=f"It was taken for {file.model_type!r}; set model_type, or use another engine",
            )
        self.context: int = min(config.context_length, library.context_length(self._pointer))
        self.size = library.vocabulary_size(self._pointer)

    @property
    def pointer(self) -> int:
        """The address of the C object. Raises `ModelClosed` after `close`."""
        if self._pointer is None:
            raise ModelClosed(f"the model {self.file.name!r} is closed")
        return self._pointer

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token, as far as its first zero. Not beside other calls of it."""
        return self.library.detokenize(self.pointer, token)

    def tokenize(self, text: bytes, ids: ctypes.Array[ctypes.c_int]) -> int:
        """Write the tokens of `text` to `ids`, which must have room for them, and count them."""
        with self._open:
            return self.library.tokenize(self.pointer, text, False, ids)

    def rewind(self, count: int) -> None:
        """Keep the first `count` of the tokens held."""
        del self.held[count:]

    def evaluate(self, tokens: Sequence[int]) -> None:
        """Evaluate tokens behind those held, at once.

        Raises `EngineError`; where the library failed, nothing is held then.
        """
        count, past = len(tokens), len(self.held)
        if past + count > self.context:
            # The library would move back by itself, and write over what is there.
            raise EngineError(f"{past + count} tokens do not fit into {self.context}")
        ids = (ctypes.c_int * count)(*tokens)
        threads = self.threads.many if count >= _MANY else self.threads.one
        with self._turn:
            done = self.library.evaluate(self.pointer, ids, count, past, count, threads)
        if not done:
            self.held.clear()
            raise EngineError(f"ctransformers could not evaluate {count} tokens behind {past}")
        self.held += tokens

    def logits(self) -> NDArray[np.float32]:
        """Return the logits behind the last token, until the next evaluation. Not to be changed."""
        address = self.library.logits(self.pointer)
        if address != self._address:
            self._logits = self._view(address)
            self._address = address
        return self._logits

    def close(self) -> None:
        """Free the model, once; closing again does nothing."""
        with self._open:
            pointer, self._pointer = self._pointer, None
            self._logits, self._address = np.empty(0, np.float32), None
            if pointer is not None:
                self.library.delete(pointer)

    def _view(self, address: int) -> NDArray[np.float32]:
        size = self.library.logits_size(self.pointer)
        if size < self.size:
            raise EngineError(f"ctransformers has {size} logits for {self.size} tokens")
        row: Any = (ctypes.c_float * size).from_address(address)
        return np.frombuffer(row, np.float32)[size - self.size :]
