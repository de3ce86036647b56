"""Repetition: what was said lately makes itself less likely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from penstock.request import Sampling

from penstock_llamacpp.candidates import Candidates, Logits
from penstock_llamacpp.chain import Chain
from penstock_llamacpp.dry import Dry, dry_sampler
from penstock_llamacpp.library import Library
from penstock_llamacpp.vocabulary import Vocabulary

__all__ = ["Repetition", "repetition_of"]

_ANSWER = 1 << 16
"""Tokens an answer may at least have before "all of the last tokens" forgets the first: llama.cpp
wants to know, and sets that much memory aside."""

_MOST = 1e6
"""Beyond this, an option has no more effect, but sums of 32 bits could come out infinite."""

_OFF = (1.0, 0.0, 0.0)
_ROOM = 256


class Repetition:
    """The penalties and DRY, by llama.cpp's samplers.

    Those change the logits of tokens that were said, and of no others; so they are shown only
    these, which takes microseconds where all of a vocabulary would take hundreds.
    """

    def __init__(self, chain: Chain, said: Sequence[int]) -> None:
        self._chain = chain
        self._known: set[int] = set()
        self._ids = np.empty(_ROOM, np.int32)
        self._candidates = Candidates(_ROOM)
        for token in said:
            self.count(token)

    def count(self, token: int) -> None:
        """Note that this token was said."""
        self._chain.accept(token)
        if token not in self._known:
            self._learn(token)

    def apply(self, logits: Logits) -> None:
        """Change the logits of what was said, in place."""
        if not self._known:
            return
        ids = self._ids[: len(self._known)]
        self._candidates.put(ids, logits[ids])
        self._chain.apply(self._candidates)
        logits[ids] = self._candidates.logits()

    def close(self) -> None:
        """Free the samplers, once."""
        self._chain.close()

    def _learn(self, token: int) -> None:
        count = len(self._known)
        if count == self._candidates.room:
            self._candidates = Candidates(2 * count)
            self._ids = np.resize(self._ids, 2 * count)
        self._ids[count] = token
        self._known.add(token)


def repetition_of(
    library: Library, vocabulary: Vocabulary, sampling: Sampling, prompt: Sequence[int]
) -> Repetition | None:
    """Return what the options ask for, with the end of `prompt` counted; None for nothing.

    Raises `UsageError` for a DRY breaker that llama.cpp cannot read.
    """
    most = 1 << (len(prompt) + _ANSWER).bit_length()
    penalised = _reach(sampling.repeat_last_n, most) if _penalties(sampling) != _OFF else 0
    dried = _reach(sampling.dry_penalty_last_n, most) if sampling.dry_multiplier else 0
    if not penalised and not dried:
        return None
    parts = _parts(library, vocabulary, sampling, penalised, dried)
    return Repetition(Chain(library, parts), prompt[-max(penalised, dried) :])


def _parts(
    library: Library, vocabulary: Vocabulary, sampling: Sampling, penalised: int, dried: int
) -> Iterator[int]:
    if penalised:
        yield library.penalties(vocabulary.size, penalised, *_penalties(sampling))
    if dried:
        yield dry_sampler(library, vocabulary, _dry(sampling, dried))


def _dry(sampling: Sampling, reach: int) -> Dry:
    return Dry(
        multiplier=_bounded(sampling.dry_multiplier),
        base=_bounded(sampling.dry_base),
        allowed_length=sampling.dry_allowed_length or 0,
        reach=reach,
        breakers=tuple(sampling.dry_sequence_breakers or ()),
    )


def _penalties(sampling: Sampling) -> tuple[float, float, float]:
    return (
        max(_bounded(sampling.repeat_penalty), 1 / _MOST),
        _bounded(sampling.frequency_penalty),
        _bounded(sampling.presence_penalty),
    )


def _bounded(value: float | None) -> float:
    return min(max(value or 0.0, -_MOST), _MOST)


def _reach(tokens: int | None, most: int) -> int:
    return most if tokens is None or tokens < 0 else min(tokens, most)
