"""Mirostat: choices that are as surprising as asked for.

Both versions are those of llama.cpp, but written here: in its version 1, a number overflows once a
text has been more predictable than asked for a while, and every choice after that is greedy.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from penstock.request import Sampling

from penstock_llamacpp.candidates import LEAST, Choice, Logits, greatest_of

__all__ = ["Mirostat"]

_FLOOR = 1e-9
"""Tokens less likely than this share of the likeliest are left out, since none is ever drawn."""

_ESTIMATED = 100
"""Tokens from which version 1 estimates the exponent of Zipf's law."""

_MOST = 1e6
"""Beyond this, an option has no more effect, but a number could come out infinite."""

Chances = npt.NDArray[np.float64]


class Mirostat(Choice):
    """Cuts what is too surprising, draws, and learns from the surprise of what it drew."""

    def __init__(self, sampling: Sampling, size: int) -> None:
        self._size = size
        self._temperature = min(max(sampling.temperature or 0.0, 1 / _MOST), _MOST)
        self._depth = -self._temperature * math.log(_FLOOR)
        self._target = min(sampling.mirostat_tau or 0.0, _MOST)
        self._rate = min(sampling.mirostat_eta or 0.0, _MOST)
        self._cut = self._by_count if sampling.mirostat == 1 else self._by_surprise
        self._limit = 2 * self._target
        self._draw = np.random.Generator(np.random.PCG64(sampling.seed))

    def pick(self, logits: Logits) -> int:
        greatest = greatest_of(logits)
        ids = np.flatnonzero(logits >= max(LEAST, greatest - self._depth))
        chances = np.exp((logits[ids].astype(np.float64) - greatest) / self._temperature)
        order = np.argsort(-chances)
        chances = self._cut(chances[order] / chances.sum())
        sums = np.cumsum(chances)
        at = min(int(np.searchsorted(sums, self._draw.random() * sums[-1], "right")), len(sums) - 1)
        surprise = -math.log2(chances[at] / sums[-1])
        self._limit -= self._rate * (surprise - self._target)
        return int(ids[order[at]])

    def _by_surprise(self, chances: Chances) -> Chances:
        """Leave out what is more surprising than the limit, in bits: version 2."""
        return chances[: max(1, int(np.count_nonzero(-np.log2(chances) <= self._limit)))]

    def _by_count(self, chances: Chances) -> Chances:
        """Leave as many as Zipf's law puts within the limit: version 1."""
        exponent = _zipf(chances[:_ESTIMATED])
        if exponent <= 0:
            return chances
        excess = exponent - 1
        width = math.log(self._size)
        # As a logarithm: the number itself has no bound.
        share = excess / -math.expm1(-excess * width) if excess else 1 / width
        count = (math.log(share) + self._limit * math.log(2)) / exponent
        return chances if count > width else chances[: max(1, int(math.exp(count)))]


def _zipf(chances: Chances) -> float:
    """Return the exponent of the law that the likeliest tokens follow."""
    ranks = np.arange(1, len(chances))
    if not len(ranks):
        return 0.0
    steps = np.log((ranks + 1) / ranks)
    ratios = np.log(chances[:-1] / chances[1:])
    return float((steps * ratios).sum() / (steps * steps).sum())
