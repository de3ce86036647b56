"""Teams: the threads that OpenMP keeps for each thread that has evaluated.

GCC's OpenMP keeps a team for every thread that has computed with it, for as long as that thread
lives. Once there are more of them than CPUs, all wait at each barrier without spinning: another
model in the same process then runs at less than half its speed (25 M parameters, two cores: 537
tokens/s beside an idle one, 1,373 after that gave up its team, 1,394 alone).

While two models, or two contexts of one, do compute in turns, there is no team to give up. Then it
matters how long a thread spins at a barrier before it sleeps: by default so shortly that it sleeps
at nearly each, and to wake it takes as long as a small node of the computation.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["dismiss", "patient"]

_PATIENT = {"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "300000"}
"""With more threads than CPUs, this policy spins ten times as long as none (libgomp, `env.c`); with
enough CPUs it would spin for minutes, so that is set to what it is without a policy."""

_SOFT = 1
"""`omp_pause_soft`: the next computation makes a new team."""


def dismiss() -> None:
    """Give up this thread's team, between evaluations; the next one makes it again, in 0.1 ms."""
    library = _openmp()
    if library is not None:
        library.omp_pause_resource_all(_SOFT)


@contextmanager
def patient() -> Iterator[None]:
    """Load a library in this block: its threads will spin a little even where CPUs are short.

    Where the user has set one of these variables, or OpenMP is here already, nothing changes.
    """
    if any(name in os.environ for name in _PATIENT):
        yield
        return
    os.environ.update(_PATIENT)
    try:
        yield
    finally:
        for name in _PATIENT:
            os.environ.pop(name, None)


def _openmp() -> ctypes.CDLL | None:
    """Return GCC's OpenMP, if llama.cpp was built with it, and has been loaded."""
    try:
        found = ctypes.CDLL("libgomp.so.1", mode=os.RTLD_NOLOAD)
    except (AttributeError, OSError):
        return None
    return found if hasattr(found, "omp_pause_resource_all") else None
