"""Tray: the memory in which a state goes from one context to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from penstock_llamacpp.shelf import State

__all__ = ["Saved", "Tray"]

_PAGE = 2**22
"""Bytes of new memory that are touched at once: where the machine must first find them, 15 ms."""


class Saved(Protocol):
    """The part of a context that is asked for a state."""

    def state_bytes(self, sequence: int) -> int:
        """Return how many bytes the state of a sequence takes."""

    def save_into(self, sequence: int, state: State) -> bool:
        """Save it into memory of just that size; False where that fails."""


class Tray:
    """Carries one state at a time from one context to the other; its memory is kept for the next.

    A machine that must first find the memory takes several times as long for that as for copying.
    """

    def __init__(self) -> None:
        self._memory: State = np.empty(0, np.uint8)

    def take(
        self, context: Saved, sequence: int, breathe: Callable[[], object] = bool
    ) -> State | None:
        """Return the state of a sequence, until the next one is taken; None where that fails.

        `breathe` is called now and then while memory is found.
        """
        size = context.state_bytes(sequence)
        try:
            self._grow(size, breathe)
        except MemoryError:
            return None
        state = self._memory[:size]
        return state if context.save_into(sequence, state) else None

    def _grow(self, size: int, breathe: Callable[[], object]) -> None:
        if len(self._memory) >= size:
            return
        self._memory = np.empty(size, np.uint8)
        for start in range(0, size, _PAGE):
            self._memory[start : start + _PAGE] = 0
            breathe()
