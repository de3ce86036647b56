"""Penalties: the tokens that came lately become less likely."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from penstock.request import Sampling

__all__ = ["Penalties", "penalties_of"]


class Penalties:
    """Counts the last tokens, and lowers their logits."""

    def __init__(
        self,
        recent: Sequence[int],
        reach: int | None,
        *,
        repeat: float,
        presence: float,
        frequency: float,
    ) -> None:
        self._recent = deque(recent, reach)
        self._counts = Counter(self._recent)
        self._repeat = np.float32(repeat)
        self._presence = np.float32(presence)
        self._frequency = np.float32(frequency)

    def count(self, token: int) -> None:
        """Count a token; the oldest beyond reach is forgotten."""
        recent, counts = self._recent, self._counts
        if len(recent) == recent.maxlen:
            oldest = recent[0]
            counts[oldest] -= 1
            if not counts[oldest]:
                del counts[oldest]
        recent.append(token)
        counts[token] += 1

    def apply(self, logits: NDArray[np.float32]) -> None:
        """Lower the logits of the tokens counted, in place."""
        if not self._counts:
            return
        ids = np.fromiter(self._counts.keys(), np.int64, len(self._counts))
        times = np.fromiter(self._counts.values(), np.float32, len(self._counts))
        found = logits[ids]
        found = np.where(found <= 0, found * self._repeat, found / self._repeat)
        logits[ids] = found - times * self._frequency - self._presence


def penalties_of(sampling: Sampling, prompt: Sequence[int]) -> Penalties | None:
    """Return the penalties asked for, which count the end of `prompt`; None where all are off."""
    repeat = sampling.repeat_penalty or 1.0
    presence, frequency = sampling.presence_penalty or 0.0, sampling.frequency_penalty or 0.0
    reach = sampling.repeat_last_n
    if reach == 0 or (repeat == 1 and presence == frequency == 0):
        return None
    limit = None if reach is None or reach < 0 else reach
    return Penalties(prompt, limit, repeat=repeat, presence=presence, frequency=frequency)
