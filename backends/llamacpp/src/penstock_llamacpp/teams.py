"""Teams: the threads that OpenMP keeps for each thread that has evaluated.

GCC's OpenMP keeps a team for every thread that has computed with it, for as long as that thread
lives. Once there are more of them than CPUs, all wait at each barrier without spinning: another
model in the same process then runs at less than half its speed (25 M parameters, two cores: 537
tokens/s beside an idle one, 1,373 after that gave up its team, 1,394 alone).
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable

__all__ = ["dismiss"]

_SOFT = 1
"""`omp_pause_soft`: the next computation makes a new team."""


def dismiss() -> None:
    """Give up this thread's team, between evaluations; the next one makes it again, in 0.1 ms."""
    pause = _pause()
    if pause is not None:
        pause(_SOFT)


@functools.cache
def _pause() -> Callable[[int], int] | None:
    try:
        # Only if llama.cpp was built with it, and has loaded it.
        found = ctypes.CDLL("libgomp.so.1", mode=os.RTLD_NOLOAD)
        pause: Callable[[int], int] = found.omp_pause_resource_all
    except (AttributeError, OSError):
        return None
    return pause
