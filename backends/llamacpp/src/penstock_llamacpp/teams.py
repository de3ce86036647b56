"""Teams: the threads that OpenMP keeps for each thread that has evaluated.

GCC's OpenMP keeps a team for every thread that has computed with it, for as long as that thread
lives. Once there are more of them than CPUs, all wait at each barrier without spinning: another
model in the same process then runs at less than half its speed (25 M parameters, two cores: 537
tokens/s beside an idle one, 1,373 after that gave up its team, 1,394 alone).
"""

from __future__ import annotations

import ctypes
import os

__all__ = ["dismiss"]

_SOFT = 1
"""`omp_pause_soft`: the next computation makes a new team."""


def dismiss() -> None:
    """Give up this thread's team, between evaluations; the next one makes it again, in 0.1 ms."""
    library = _openmp()
    if library is not None:
        library.omp_pause_resource_all(_SOFT)


def _openmp() -> ctypes.CDLL | None:
    """Return GCC's OpenMP, if llama.cpp was built with it, and has been loaded."""
    try:
        found = ctypes.CDLL("libgomp.so.1", mode=os.RTLD_NOLOAD)
    except (AttributeError, OSError):
        return None
    return found if hasattr(found, "omp_pause_resource_all") else None
