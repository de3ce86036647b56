"""Candidates: what there is to choose from, and in which array llama.cpp's samplers work on it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from ctypes import Structure, addressof, c_bool, c_int64, c_size_t, c_void_p
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from penstock.errors import EngineError

__all__ = ["LEAST", "Candidates", "Choice", "Ids", "Logits", "check", "greatest_of", "shortlist"]

Logits: TypeAlias = npt.NDArray[np.float32]
Ids: TypeAlias = npt.NDArray[np.integer]

_CELL = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
_COLUMNS = 512

LEAST = float(np.finfo(np.float32).min)
"""The least logit of a token that is possible."""


class _Array(Structure):
    """`llama_token_data_array`, with an address in place of its pointer."""

    _fields_ = (
        ("data", c_void_p),
        ("size", c_size_t),
        ("selected", c_int64),
        ("sorted", c_bool),
    )


class Choice(ABC):
    """A way to choose a token."""

    @abstractmethod
    def pick(self, logits: Logits) -> int:
        """Return a token. Raises `EngineError` where the logits are no numbers, or allow none."""

    def close(self) -> None:
        """Free what it needs, once."""
        return


class Candidates:
    """Room for so many tokens, used again and again.

    `address` is where samplers find them; they may sort them, drop some and select one.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self._array = _Array()
        self.address = addressof(self._array)
        self._cells = np.zeros(room, _CELL)
        self._ids, self._logits = self._cells["id"], self._cells["logit"]
        self._start = self._cells.ctypes.data

    def put(self, ids: Ids, logits: Logits, *, ordered: bool = False) -> None:
        """Put tokens in place of those before; `ordered` says that the likeliest come first."""
        count = len(ids)
        self._ids[:count] = ids
        self._logits[:count] = logits
        array = self._array
        array.data, array.size, array.selected, array.sorted = self._start, count, -1, ordered

    def logits(self) -> Logits:
        """Return the logits of all tokens put in, in their order, if the samplers kept it."""
        return self._logits[: self._array.size]

    def selected(self) -> int:
        """Return the token that the samplers selected. Raises `EngineError` for none."""
        at = self._array.selected
        if not 0 <= at < self._array.size:
            raise EngineError("llama.cpp's samplers selected no token")
        # A sampler may have moved the start of the array.
        return int(self._ids[at + (self._array.data - self._start) // _CELL.itemsize])


def greatest_of(logits: Logits) -> float:
    """Return the greatest logit. Raises `EngineError` as `check` does."""
    greatest = float(logits.max())
    check(greatest)
    return greatest


def check(greatest: float) -> None:
    """Raise `EngineError` if this, as the greatest logit, is no number: none may be drawn then.

    llama.cpp's samplers would sort what cannot be sorted, beyond the end of their array.
    """
    if greatest == -math.inf:
        raise EngineError("every token is banned", hint="Allow some in logit_bias")
    if not math.isfinite(greatest):
        raise EngineError(
            f"the model computed {greatest} for a logit", hint="The weights may be damaged"
        )


def shortlist(logits: Logits, count: int, least: float = LEAST) -> Ids:
    """Return the ids of the `count` likeliest tokens, and of a few more, in the order of the ids.

    Tokens with logits below `least` are not among them. The columns of a table have greatest
    elements, and none of the likeliest tokens is below the `count` greatest of these: two passes
    over the logits, where sorting or partitioning them takes many.
    """
    columns = max(_COLUMNS, 4 * count)
    rows = len(logits) // columns
    if rows < 2:
        return np.flatnonzero(logits >= least)
    greatest = logits[: rows * columns].reshape(rows, columns).max(axis=0)
    found = float(np.partition(greatest, columns - count)[columns - count])
    return np.flatnonzero(logits >= max(found, least))
