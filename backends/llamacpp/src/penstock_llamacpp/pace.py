"""Pace: how many prompt tokens go into a step, so that running streams keep flowing."""

from __future__ import annotations

__all__ = ["Pace"]

_SHORTEST = 0.004
"""Seconds that a step with a prompt may always take: nobody sees a gap that short."""

_ALONE = 0.15
"""Seconds that a step may take which no running stream waits for: those that arrive would."""

_UNDISTURBED = 0.75
"""What a step takes by itself, at least, of what it takes while a prompt is evaluated beside it."""

_LEAST, _LEAST_ALONE, _FIRST = 8, 64, 128
"""Tokens: in a step with others, in a step of its own, and before anything was measured."""

_MEMORY = 0.25
"""The weight of the latest measurement."""


class Pace:
    """Learns what rows cost, and sizes the share of prompts in a step.

    That is at most `most` tokens, and `among` where streams run, whose steps take about `stretch`
    times as long as usual then. The sizes are few, since llama.cpp plans the computation anew for
    each.
    """

    def __init__(self, most: int, among: int, stretch: float) -> None:
        self._most = most
        self._among = min(among, most)
        self._stretch = stretch
        self._decode: dict[int, float] = {}
        self._beside: dict[int, float] = {}
        self._prompt_token: float | None = None

    def room(self, decoding: int) -> int:
        """Return how many prompt tokens may join a step of `decoding` running streams."""
        cost = self._prompt_token
        if cost is None:
            return min(self._among, _LEAST) if decoding else min(self._most, _FIRST)
        if not decoding:
            return min(self._most, max(_LEAST_ALONE, _power(int(_ALONE / cost))))
        usual = self._usual(decoding)
        spare = max(_SHORTEST, usual * self._stretch) - usual
        return min(self._among, max(_LEAST, int(spare / cost) // _LEAST * _LEAST))

    def rest(self, decoding: int, took: float) -> float:
        """Return the seconds that are left behind a step of `decoding` streams which `took` some.

        With none running, that is what a step alone may take.
        """
        if not decoding:
            return _ALONE
        usual = max(self._usual(decoding), self._beside.get(decoding, 0.0) * _UNDISTURBED)
        return max(_SHORTEST, usual * self._stretch - took)

    def note(self, decoding: int, prompt: int, seconds: float) -> None:
        """Learn from a step of `decoding` streams and `prompt` tokens."""
        if not prompt:
            _learn(self._decode, decoding, seconds)
        elif prompt >= _LEAST:
            cost = max(0.0, seconds - self._usual(decoding)) / prompt
            known = cost if self._prompt_token is None else self._prompt_token
            self._prompt_token = max(1e-7, known + _MEMORY * (cost - known))

    def note_beside(self, decoding: int, seconds: float) -> None:
        """Learn from a step of `decoding` streams, beside which a prompt is evaluated.

        What a step takes by itself cannot be measured then, though the texts grow.
        """
        _learn(self._beside, decoding, seconds)

    def _usual(self, decoding: int) -> float:
        """Return the seconds of a step without prompts, measured for this number or the nearest."""
        known = self._decode
        if decoding in known or not known or not decoding:
            return known.get(decoding, 0.0)
        return known[min(known, key=lambda count: abs(count - decoding))]


def _learn(known: dict[int, float], decoding: int, seconds: float) -> None:
    before = known.get(decoding, seconds)
    known[decoding] = before + _MEMORY * (seconds - before)


def _power(number: int) -> int:
    return 1 << max(0, number.bit_length() - 1)
