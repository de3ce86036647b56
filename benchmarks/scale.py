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


LARGEST = "8b"
"""Of `models.SHAPES`, the one that takes a GPU."""


def only_where_it_runs(name: str) -> None:
    """Raise `Absent` for a model that is too large for this machine, or for a few minutes."""
    if name == "1500m":
        only_in_full()
    if name == LARGEST and not _has_gpu():
        raise Absent(f"{name} takes a GPU, and a llama-cpp-python that was built for it")


def _has_gpu() -> bool:
    from penstock_llamacpp.devices import choose, listed
    from penstock_llamacpp.library import load_library

    return bool(choose(listed(load_library()), "auto").devices)
