"""Batch: the rows that go into one call of `llama_decode`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Batch"]


class Batch:
    """Arrays for `room` tokens, made once, and the C structure over them.

    A row is a token, its position, the sequence it belongs to, and whether its logits are wanted.
    llama.cpp ends the process if a call brings more rows than its n_batch: `room` must not be more.
    """

    def __init__(self, structs: Any, room: int) -> None:
        self.room = room
        self.count = 0
        self._tokens = np.zeros(room, np.int32)
        self._positions = np.zeros(room, np.int32)
        self._sequences = np.zeros(room, np.int32)
        self._outputs = np.zeros(room, np.int8)
        self._counts = np.ones(room, np.int32)
        self._addresses = self._sequences.ctypes.data + 4 * np.arange(room, dtype=np.uint64)
        self._steps = np.arange(room, dtype=np.int32)
        # A single number is stored through a view in 40 ns, and into a numpy array in 80.
        self._token_view = self._tokens.data
        self._position_view = self._positions.data
        self._sequence_view = self._sequences.data
        self._output_view = self._outputs.data
        self._native = self._structure(structs)

    @property
    def native(self) -> Any:
        """The C structure, as `llama_decode` takes it."""
        self._native.n_tokens = self.count
        return self._native

    def clear(self) -> None:
        """Take all rows out."""
        self.count = 0

    def put(self, token: int, position: int, sequence: int) -> int:
        """Add one row with output; return its index."""
        row = self.count
        self._token_view[row] = token
        self._position_view[row] = position
        self._sequence_view[row] = sequence
        self._output_view[row] = 1
        self.count = row + 1
        return row

    def extend(self, tokens: Sequence[int], position: int, sequence: int, *, output: bool) -> int:
        """Add rows from `position` on, the last one with output if asked; return its index."""
        start, end = self.count, self.count + len(tokens)
        self._tokens[start:end] = tokens
        np.add(self._steps[: end - start], position, out=self._positions[start:end])
        self._sequences[start:end] = sequence
        self._outputs[start:end] = 0
        self._outputs[end - 1] = output
        self.count = end
        return end - 1

    def _structure(self, structs: Any) -> Any:
        native = structs.llama_batch()
        for name, values in (
            ("token", self._tokens),
            ("pos", self._positions),
            ("n_seq_id", self._counts),
            ("seq_id", self._addresses),
            ("logits", self._outputs),
        ):
            kind = dict(structs.llama_batch._fields_)[name]
            setattr(native, name, structs.ctypes.cast(values.ctypes.data, kind))
        return native
