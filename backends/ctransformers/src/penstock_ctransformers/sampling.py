"""Sampler: from the logits of a place to the token that a request's options choose for it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from penstock.errors import EngineError, UsageError
from penstock.events import Logprob
from penstock.request import Sampling

from penstock_ctransformers.penalties import Penalties, penalties_of
from penstock_ctransformers.vocabulary import Vocabulary

__all__ = ["DEFAULTS", "HONOURED", "Constraining", "Logits", "Sampler"]

Logits: TypeAlias = NDArray[np.float32]

DEFAULTS = Sampling(
    temperature=0.8,
    top_k=40,
    top_p=0.95,
    min_p=0.05,
    repeat_penalty=1.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    repeat_last_n=64,
    ignore_eos=False,
)
"""The values that most local engines take where a request says nothing."""

HONOURED = frozenset(DEFAULTS.chosen()) | {
    "seed", "logit_bias", "logprobs", "schema", "regex", "choices", "grammar",
}  # fmt: skip

_COLDEST = 1e-6
"""A temperature below leaves one token, and powers too large to compute."""

_MOST_BIAS = 1e6
"""Beyond this, a bias has no more effect, but a sum of 32 bits could come out infinite."""


class Constraining(Protocol):
    """What an answer must be, as far as it has come."""

    def allows(self, token: int) -> bool:
        """Whether this token may come next."""

    def mask(self, logits: Logits) -> bool:
        """Put -inf in the place of each token that may not; return whether any may."""

    def accept(self, token: int) -> None:
        """Go on by a token that `allows` said may come."""


class Sampler:
    """Chooses the tokens of one request, from the logits themselves.

    The order is the usual one: biases, penalties, top-k, top-p, min-p, temperature, draw. The
    random numbers are the request's own: the library would begin anew with each token, and without
    a seed twice the same within a second.

    Raises `UsageError` for tokens in `logit_bias` that do not exist.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        sampling: Sampling,
        prompt: Sequence[int],
        guide: Constraining | None = None,
    ) -> None:
        chosen = sampling.over(DEFAULTS)
        self._vocabulary = vocabulary
        self._guide = guide
        self._random = random.Random(chosen.seed)  # noqa: S311  # to draw words, not keys
        self._temperature = chosen.temperature or 0.0
        self._is_greedy = self._temperature < _COLDEST or chosen.top_k == 1
        self._top_k = min(chosen.top_k or vocabulary.size, vocabulary.size)
        self._top_p = 1.0 if chosen.top_p is None else chosen.top_p
        self._min_p = chosen.min_p or 0.0
        self._biases = _biases(vocabulary, chosen)
        self._penalties: Penalties | None = penalties_of(chosen, prompt)
        self._alternatives = chosen.logprobs
        self.logprob: Logprob | None = None

    def choose(self, logits: Logits) -> int:
        """Choose the token of a place, and count it. The logits are left as they are.

        Raises `EngineError` where no token can come: the constraint cannot be met, every token is
        banned, or the logits are no numbers. Nothing is counted then.
        """
        token = self._pick(self._shaped(logits))
        self.count(token)
        if self._alternatives is not None:
            self.logprob = self._told(logits, token, self._alternatives)
        return token

    def count(self, token: int) -> None:
        """Count a token, whoever chose it: penalties and constraint hear of it."""
        self.logprob = None
        if self._penalties is not None:
            self._penalties.count(token)
        if self._guide is not None:
            self._guide.accept(token)

    def _shaped(self, logits: Logits) -> Logits:
        if self._biases is None and self._penalties is None:
            return logits
        logits = logits.copy()
        if self._biases is not None:
            logits[self._biases[0]] += self._biases[1]
        if self._penalties is not None:
            self._penalties.apply(logits)
        return logits

    def _pick(self, logits: Logits) -> int:
        guide = self._guide
        token = self._draw(logits)
        # To ask for one token is cheap, to mask them all is not, and most are allowed.
        if guide is None or guide.allows(token):
            return token
        logits = logits.copy()
        if not guide.mask(logits) or logits.max() == -math.inf:
            raise EngineError(
                "the constraint cannot be met: no token can come next",
                hint="Look at what bans tokens: logit_bias, ignore_eos, or the model itself",
            )
        return self._draw(logits)

    def _draw(self, logits: Logits) -> int:
        likeliest = int(logits.argmax())
        _check(float(logits[likeliest]))
        if self._is_greedy:
            return likeliest
        ids = self._likeliest(logits)
        values = logits[ids].astype(np.float64)
        values -= values[0]
        kept = values[: self._kept(np.exp(values))]
        shares = np.exp(kept / self._temperature).cumsum()
        at = int(shares.searchsorted(self._random.random() * shares[-1], side="right"))
        return int(ids[min(at, len(kept) - 1)])

    def _likeliest(self, logits: Logits) -> NDArray[np.intp]:
        """Return the ids that top-k leaves, the likeliest first."""
        count, size = self._top_k, len(logits)
        if count < size:
            ids = np.argpartition(logits, size - count)[size - count :]
        else:
            ids = np.flatnonzero(logits > -math.inf)
        found: NDArray[np.intp] = ids[np.argsort(-logits[ids], kind="stable")]
        return found

    def _kept(self, powers: NDArray[np.float64]) -> int:
        """Return how many of the likeliest top-p and min-p leave, one at least."""
        kept = len(powers)
        if self._top_p < 1:
            sums = powers.cumsum()
            kept = int(sums.searchsorted(self._top_p * sums[-1])) + 1
        if self._min_p:
            kept = min(kept, int((powers >= self._min_p).sum()))
        return max(1, min(kept, len(powers)))

    def _told(self, logits: Logits, token: int, alternatives: int) -> Logprob:
        values = logits.astype(np.float64)
        values -= values.max()
        values -= math.log(float(np.exp(values).sum()))
        count = min(alternatives, len(values))
        top = np.argsort(-values, kind="stable")[:count].tolist()
        pieces = self._vocabulary.pieces
        others = tuple(Logprob(one, pieces[one], float(values[one])) for one in top)
        return Logprob(token, pieces[token], float(values[token]), others)


def _check(greatest: float) -> None:
    if greatest == -math.inf:
        raise EngineError("every token is banned", hint="Allow some in logit_bias")
    if not math.isfinite(greatest):
        raise EngineError(
            f"the model computed {greatest} for a logit", hint="The weights may be damaged"
        )


def _biases(
    vocabulary: Vocabulary, sampling: Sampling
) -> tuple[NDArray[np.int64], NDArray[np.float32]] | None:
    biases = {token: _bounded(bias) for token, bias in dict(sampling.logit_bias or ()).items()}
    for token in biases:
        if token >= vocabulary.size:
            raise UsageError(
                f"logit_bias names the token {token}",
                hint=f"The vocabulary has {vocabulary.size}, from 0 on",
            )
    if sampling.ignore_eos:
        biases |= dict.fromkeys(vocabulary.ends, -math.inf)
    if not biases:
        return None
    return np.array([*biases], np.int64), np.array([*biases.values()], np.float32)


def _bounded(bias: float) -> float:
    return bias if bias == -math.inf else min(max(bias, -_MOST_BIAS), _MOST_BIAS)
