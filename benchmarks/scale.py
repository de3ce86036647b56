"""How long the suites take: minutes, or with PENSTOCK_BENCH=full as long as they like."""

from __future__ import annotations

import os

FULL = os.environ.get("PENSTOCK_BENCH") == "full"
"""Whether to run against the peers, and everything that takes minutes by itself."""

_FIXED = os.environ.get("PENSTOCK_BENCH_ROUNDS")


class Absent(Exception):
    """What a measure needs is not there; the text says why, and what to do."""


def rounds(few: int, many: int | None = None) -> int:
    """Return how often to measure: `few` times, `many` in full, or PENSTOCK_BENCH_ROUNDS."""
    if _FIXED:
        return int(_FIXED)
    return (many or 3 * few) if FULL else few


def only_in_full() -> None:
    """Raise `Absent` unless everything is asked for."""
    if not FULL:
        raise Absent("takes minutes: PENSTOCK_BENCH=full")
