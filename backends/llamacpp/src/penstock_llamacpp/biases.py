"""Biases: what is added to logits before anything else."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from penstock.errors import UsageError
from penstock.request import Sampling

from penstock_llamacpp.candidates import Logits
from penstock_llamacpp.vocabulary import Vocabulary

__all__ = ["Biases", "biases_of"]

_MOST = 1e6
"""Beyond this, a bias has no more effect, but a sum of 32 bits could come out infinite."""


class Biases:
    """A number for each of some tokens; -inf bans one."""

    def __init__(self, biases: Mapping[int, float]) -> None:
        self._ids = np.fromiter(biases.keys(), np.int64, len(biases))
        self._values = np.fromiter(biases.values(), np.float32, len(biases))

    def apply(self, logits: Logits) -> None:
        """Add the biases, in place."""
        logits[self._ids] += self._values


def biases_of(vocabulary: Vocabulary, sampling: Sampling) -> Biases | None:
    """Return the biases asked for, with the tokens that must never come banned; None for none.

    Raises `UsageError` for a token that the vocabulary does not have, or if none is left.
    """
    biases = {token: _bounded(bias) for token, bias in dict(sampling.logit_bias or ()).items()}
    for token in biases:
        if token >= vocabulary.size:
            raise UsageError(
                f"logit_bias names the token {token}",
                hint=f"The vocabulary has {vocabulary.size}, from 0 on",
            )
    biases |= dict.fromkeys(vocabulary.suppressed, -math.inf)
    if sampling.ignore_eos:
        biases |= dict.fromkeys(vocabulary.ends, -math.inf)
    if list(biases.values()).count(-math.inf) == vocabulary.size:
        raise UsageError("logit_bias bans every token")
    return Biases(biases) if biases else None


def _bounded(bias: float) -> float:
    return bias if bias == -math.inf else min(max(bias, -_MOST), _MOST)
