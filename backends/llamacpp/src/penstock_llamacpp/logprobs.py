"""Log probabilities of tokens, from the logits of the model itself."""

from __future__ import annotations

import math

import numpy as np
from penstock.events import Logprob

from penstock_llamacpp.candidates import Logits, greatest_of, shortlist
from penstock_llamacpp.vocabulary import Vocabulary

__all__ = ["Reading", "Scale"]


class Scale:
    """Turns the logits of a place into log probabilities, with so many alternatives."""

    def __init__(self, vocabulary: Vocabulary, alternatives: int) -> None:
        self._vocabulary = vocabulary
        self._count = min(alternatives, vocabulary.size)
        self._powers = np.empty(vocabulary.size, np.float32)

    def read(self, logits: Logits) -> Reading:
        """Read the logits, before anything changes them.

        Raises `EngineError` where they are no numbers.
        """
        greatest = greatest_of(logits)
        powers = np.subtract(logits, greatest, out=self._powers)
        total = float(np.exp(powers, out=powers).sum())
        whole = greatest + math.log(total)
        return Reading(self._vocabulary, logits, whole, self._likeliest(logits, whole))

    def _likeliest(self, logits: Logits, whole: float) -> tuple[Logprob, ...]:
        if not self._count:
            return ()
        ids = shortlist(logits, self._count)
        values = logits[ids]
        order = np.argsort(-values, kind="stable")[: self._count]
        pairs = zip(ids[order].tolist(), values[order].tolist(), strict=True)
        vocabulary = self._vocabulary
        return tuple(
            Logprob(token, _data(vocabulary, token), value - whole) for token, value in pairs
        )


class Reading:
    """The log probabilities of one place."""

    def __init__(
        self, vocabulary: Vocabulary, logits: Logits, whole: float, top: tuple[Logprob, ...]
    ) -> None:
        self._vocabulary = vocabulary
        self._logits = logits
        self._whole = whole
        self._top = top

    def of(self, token: int) -> Logprob:
        """Return that of the token chosen. Its own logit must not have been changed."""
        value = float(self._logits[token]) - self._whole
        return Logprob(token, _data(self._vocabulary, token), value, self._top)


def _data(vocabulary: Vocabulary, token: int) -> bytes:
    return vocabulary.pieces[token] or vocabulary.learn(token)
