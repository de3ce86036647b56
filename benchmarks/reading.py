"""Reading Penstock's streams with a clock, and the words that every suite uses for speeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from time import perf_counter

import penstock


@dataclass(slots=True)
class Reading:
    """When a stream was asked for, and when each of its tokens reached its reader, in seconds."""

    asked: float = field(default_factory=perf_counter)
    moments: list[float] = field(default_factory=list)

    def note(self, tokens: int = 1) -> None:
        """Note that so many tokens came."""
        self.moments += [perf_counter()] * tokens

    @property
    def ttft(self) -> float:
        return self.moments[0] - self.asked

    @property
    def seconds(self) -> float:
        """From the first token to the last."""
        return self.moments[-1] - self.moments[0]

    @property
    def itl(self) -> float:
        """Seconds for a token, on average."""
        return self.seconds / (len(self.moments) - 1)

    def gaps(self) -> list[float]:
        """The times between tokens."""
        return [after - before for before, after in pairwise(self.moments)]


async def read(generation: penstock.Generation) -> Reading:
    """Read a generation to its end."""
    reading = Reading()
    async for delta in generation:
        reading.note(delta.tokens)
    return reading


def greedy(model: penstock.Model, prompt: str, tokens: int) -> penstock.Generation:
    """Return a generation of exactly so many tokens."""
    return model.complete(prompt, max_tokens=tokens, temperature=0, ignore_eos=True)


def together(readings: Sequence[Reading]) -> float:
    """Return the tokens per second of all streams, while all of them ran; 0 if they never did."""
    began = max(reading.moments[0] for reading in readings)
    ended = min(reading.moments[-1] for reading in readings)
    if ended <= began:
        return 0.0
    inside = sum(began < at <= ended for reading in readings for at in reading.moments)
    return inside / (ended - began)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of `values` does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Rounds:
    """Pairs from alternating rounds: the machine's moods meet both sides alike."""

    def __init__(self, one: Callable[[], float], other: Callable[[], float]) -> None:
        self._sides = (one, other)
        self.pairs: list[tuple[float, float]] = []

    def __call__(self) -> None:
        one, other = self._sides
        self.pairs.append((one(), other()))

    @property
    def ratio(self) -> float:
        """The median of first over second."""
        return round(median(one / other for one, other in self.pairs), 3)

    @property
    def medians(self) -> tuple[float, float]:
        return median(one for one, _ in self.pairs), median(other for _, other in self.pairs)
