"""The beginning that two token texts share."""

from __future__ import annotations

from array import array

import numpy as np

__all__ = ["begins", "shared"]

_FIRST, _GROWTH = 64, 4
"""Tokens that are compared at first, and how much more each time: most texts differ early."""


def shared(one: array[int], other: array[int], most: int, *, beyond: int = 0) -> int:
    """Return how many of the first `most` tokens of two texts are the same.

    Returns 0 if that is not more than `beyond`, which costs next to nothing.
    """
    size = min(most, len(one), len(other))
    if size <= beyond or one[0] != other[0] or one[beyond] != other[beyond]:
        return 0
    start, end = 0, _FIRST
    while start < size:
        # The views must be gone before either array grows again.
        count, offset = min(end, size) - start, start * one.itemsize
        left = np.frombuffer(one, np.int32, count, offset)
        differs = left != np.frombuffer(other, np.int32, count, offset)
        first = int(differs.argmax())
        if differs[first]:
            return start + first if start + first > beyond else 0
        start, end = start + count, end * _GROWTH
    return size


def begins(tokens: array[int], start: array[int]) -> bool:
    """Whether `tokens` begin with all of `start`."""
    size = len(start)
    if size > len(tokens) or (size and start[-1] != tokens[size - 1]):
        return False
    return shared(tokens, start, size) == size
