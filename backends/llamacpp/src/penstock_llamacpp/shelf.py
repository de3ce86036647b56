"""Shelf: saved states of sequences in RAM, the least recently used given up first."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from penstock_llamacpp.prefixes import begins, shared

__all__ = ["Shelf", "Shelved", "State"]

State: TypeAlias = npt.NDArray[np.uint8]
"""What llama.cpp saved of a sequence, as bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Shelved:
    """A saved state of `tokens`."""

    tokens: array[int]
    state: State

    @property
    def bytes(self) -> int:
        """How much memory it takes."""
        return self.state.nbytes + len(self.tokens) * self.tokens.itemsize


class Shelf:
    """Keeps states of up to `room` bytes in all.

    `whole` is whether a state serves only prompts that begin with all of its tokens: what a
    recurrent model has read cannot be taken back, and of layers that look at the last tokens only,
    llama.cpp saves no others.
    """

    def __init__(self, room: int, *, whole: bool = False) -> None:
        self.room = room
        self.whole = whole
        self.bytes = 0
        self._entries: dict[int, Shelved] = {}
        """By identity, the least recently used first."""

    def put(self, tokens: array[int], state: State) -> bool:
        """Keep a state; False if there is no room at all. Those that it serves instead of go."""
        entry = Shelved(tokens, state)
        if entry.bytes > self.room or not tokens:
            return False
        for other in [other for other in self._entries.values() if self._serves(entry, other)]:
            self._remove(other)
        while self.bytes + entry.bytes > self.room:
            self._remove(next(iter(self._entries.values())))
        self._entries[id(entry)] = entry
        self.bytes += entry.bytes
        return True

    def has(self, tokens: array[int]) -> bool:
        """Whether a state of `tokens` would bring nothing new; what is here is used by asking."""
        wanted = Shelved(tokens, np.empty(0, np.uint8))
        for entry in self._entries.values():
            if self._serves(entry, wanted):
                self.touch(entry)
                return True
        return False

    def longest(self, tokens: array[int], most: int) -> tuple[Shelved, int] | None:
        """Return the state that serves the most of the first `most` tokens, and how many."""
        best, longest = None, 0
        for entry in reversed(self._entries.values()):
            count = self._served(entry, tokens, most, longest)
            if count > longest:
                best, longest = entry, count
        return None if best is None else (best, longest)

    def continuing(self, tokens: array[int]) -> Shelved | None:
        """Return the latest state of a text that begins with all of `tokens`."""
        found = (one for one in reversed(self._entries.values()) if begins(one.tokens, tokens))
        return next(found, None)

    def known(self, tokens: array[int], beyond: int) -> int:
        """Return how many of `tokens` the text of any state begins with, `beyond` if not more."""
        for entry in self._entries.values():
            beyond = max(beyond, shared(entry.tokens, tokens, len(tokens), beyond=beyond))
        return beyond

    def touch(self, entry: Shelved) -> None:
        """Make an entry the most recently used."""
        if self._entries.pop(id(entry), None) is not None:
            self._entries[id(entry)] = entry

    def clear(self) -> None:
        """Forget all of them."""
        self._entries.clear()
        self.bytes = 0

    def _served(self, entry: Shelved, tokens: array[int], most: int, beyond: int) -> int:
        if not self.whole:
            return shared(entry.tokens, tokens, most, beyond=beyond)
        size = len(entry.tokens)
        return size if beyond < size <= most and begins(tokens, entry.tokens) else 0

    def _serves(self, entry: Shelved, other: Shelved) -> bool:
        """Whether `entry` serves every prompt that `other` does, as well."""
        if self.whole and len(entry.tokens) != len(other.tokens):
            return False
        return begins(entry.tokens, other.tokens)

    def _remove(self, entry: Shelved) -> None:
        del self._entries[id(entry)]
        self.bytes -= entry.bytes
