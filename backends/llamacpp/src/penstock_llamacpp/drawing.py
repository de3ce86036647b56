"""Drawing: from the logits of a place to the token that takes it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from penstock.request import Sampling

from penstock_llamacpp.candidates import (
    LEAST,
    Candidates,
    Choice,
    Ids,
    Logits,
    check,
    greatest_of,
    shortlist,
)
from penstock_llamacpp.chain import Chain
from penstock_llamacpp.library import Library
from penstock_llamacpp.mirostat import Mirostat

__all__ = ["Draw", "Greedy", "choice_of"]

_RANDOM_SEED = 0xFFFFFFFF
_MOST = 1e6
"""Beyond this, an option has no more effect, but sums of 32 bits could come out infinite."""

_FLOOR = 1e-9
"""Typical takes logarithms of probabilities, and that of nothing spoils its sums: tokens less
likely than this share of the likeliest are kept from it."""


class Greedy(Choice):
    """The likeliest token; the first of several."""

    def pick(self, logits: Logits) -> int:
        token = int(logits.argmax())  # of a NaN, if there is one
        check(float(logits[token]))
        return token


class Draw(Choice):
    """A token at random, by llama.cpp's samplers, in the order of llama-server.

    What cuts at a logit is done here, and so is sorting: numpy does both many times faster.
    """

    def __init__(self, library: Library, sampling: Sampling, size: int) -> None:
        self._candidates = Candidates(size)
        self._all = np.arange(size, dtype=np.int32)
        self._chain = Chain(library, _draw(library, sampling))
        self._keeps = sampling.top_k or 0
        self._sorts = not self._keeps and _sorts(sampling)
        self._deviations = _bounded(sampling.top_n_sigma)

    def pick(self, logits: Logits) -> int:
        greatest = greatest_of(logits)
        ids = self._possible(logits, self._least(logits, greatest))
        values = logits if ids is self._all else logits[ids]
        if self._sorts:
            order = np.argsort(-values)
            ids, values = ids[order], values[order]
        self._candidates.put(ids, values, ordered=self._sorts)
        self._chain.apply(self._candidates)
        return self._candidates.selected()

    def close(self) -> None:
        self._chain.close()

    def _least(self, logits: Logits, greatest: float) -> float:
        if not self._deviations:
            return LEAST
        possible = logits[logits >= LEAST]
        return max(LEAST, greatest - self._deviations * float(possible.std()))

    def _possible(self, logits: Logits, least: float) -> Ids:
        if self._keeps:
            return shortlist(logits, self._keeps, least)
        return self._all if float(logits.min()) >= least else np.flatnonzero(logits >= least)


def choice_of(library: Library, sampling: Sampling, size: int) -> Choice:
    """Return the way to choose that these options ask for, from `size` tokens."""
    if not sampling.temperature:
        return Greedy()
    if (sampling.top_k or 0) >= size:  # which keeps all
        sampling = sampling.without(frozenset({"top_k"}))
    return Mirostat(sampling, size) if sampling.mirostat else Draw(library, sampling, size)


def _draw(library: Library, sampling: Sampling) -> Iterator[int]:
    if sampling.top_k:
        yield library.top_k(sampling.top_k)
    if sampling.typical_p != 1:
        yield library.min_p(_FLOOR, 1)
        yield library.typical(sampling.typical_p, 1)
    if sampling.top_p != 1:
        yield library.top_p(sampling.top_p, 1)
    if sampling.min_p:
        yield library.min_p(sampling.min_p, 1)
    if sampling.xtc_probability:
        yield library.xtc(sampling.xtc_probability, sampling.xtc_threshold, 1, _seed(sampling))
    yield _temperature(library, sampling)
    yield library.dist(_seed(sampling))


def _sorts(sampling: Sampling) -> bool:
    return bool(
        sampling.typical_p != 1
        or sampling.top_p != 1
        or sampling.xtc_probability
        or sampling.dynatemp_range
    )


def _temperature(library: Library, sampling: Sampling) -> int:
    middle, reach = _bounded(sampling.temperature), _bounded(sampling.dynatemp_range)
    if not reach:
        return int(library.temp(middle))
    # llama.cpp would go down to 0, and divide by it; a thousandth is as good as greedy.
    high = middle + reach
    low = max(middle - reach, high / 1000)
    exponent = _bounded(sampling.dynatemp_exponent)
    return int(library.temp_ext((high + low) / 2, (high - low) / 2, exponent))


def _bounded(value: float | None) -> float:
    return min(max(value or 0.0, 1 / _MOST if value else 0.0), _MOST)


def _seed(sampling: Sampling) -> int:
    return _RANDOM_SEED if sampling.seed is None else sampling.seed
