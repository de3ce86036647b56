"""Held: a sequence of a context, and what its memory must be able to do."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Protocol

from penstock_llamacpp.shelf import State

__all__ = ["Held", "Memory", "Occupancy"]


class Memory(Protocol):
    """The part of a context that is asked for here."""

    def reaches(self, sequence: int, count: int) -> bool:
        """Whether a sequence can be cut to its first `count` tokens, and go on from there."""

    def remove(self, sequence: int, start: int) -> bool:
        """Forget the tokens of `sequence` from position `start` on; False where it cannot."""

    def copy(self, source: int, target: int, count: int) -> None:
        """Make the first `count` tokens of `source` belong to `target` too."""

    def save(self, sequence: int) -> State | None:
        """Return the state of `sequence`, or None where that fails."""

    def restore(self, sequence: int, state: State) -> bool:
        """Put a saved state into an empty `sequence`; False, and empty, where that fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """What a context holds: sequences in use, kept prefixes, and bytes of states in RAM."""

    live: int
    live_tokens: int
    idle: int
    idle_tokens: int
    shelf_bytes: int


@dataclass(slots=True, eq=False)
class Held:
    """A sequence of the context: the first `count` of `tokens` are evaluated.

    `live` while a stream uses it; else it is a kept prefix, last used at `used`. At the counts in
    `marks`, a checkpoint is to be made of it; a `checkpoint` is never taken over, only copied. One
    that is `bulky` has no room on the shelf; of one that is `copied`, there was a copy on it, or it
    was tried.
    """

    id: int
    tokens: array[int] = field(default_factory=lambda: array("i"))
    count: int = 0
    live: bool = True
    used: int = 0
    marks: tuple[int, ...] = ()
    checkpoint: bool = False
    bulky: bool = False
    copied: bool = False

    def until_mark(self, most: int) -> int:
        """Return how many of `most` tokens may be evaluated before a checkpoint is due."""
        return min([most, *(mark - self.count for mark in self.marks if mark > self.count)])
