"""How the process ends: one status and one line for each kind of failure."""

from __future__ import annotations

import sys

from penstock.errors import (
    DeadlineExceeded,
    LoadError,
    PenstockError,
    PluginError,
    Unsupported,
    UsageError,
)

__all__ = [
    "GENERATION_FAILED",
    "INTERRUPTED",
    "LOAD_FAILED",
    "OK",
    "PIPE_CLOSED",
    "PLUGINS_WRONG",
    "UNWRITABLE",
    "USAGE_WRONG",
    "report",
    "status_of",
]

OK = 0
UNWRITABLE = 1
USAGE_WRONG = 2
PLUGINS_WRONG = 3
LOAD_FAILED = 4
GENERATION_FAILED = 5
INTERRUPTED = 130
PIPE_CLOSED = 141
"""What a shell shows for a filter whose reader has gone."""


def status_of(error: PenstockError) -> int:
    """Return the status that tells this kind of error."""
    match error:
        case UsageError() | Unsupported():
            return USAGE_WRONG
        case PluginError():
            return PLUGINS_WRONG
        case LoadError() | DeadlineExceeded(deadline="load"):
            return LOAD_FAILED
        case _:
            return GENERATION_FAILED


def report(error: object) -> None:
    """Say on stderr, in one line, what is wrong."""
    sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
    sys.stderr.flush()
