"""How the process ends: one status and one line for each kind of failure."""

from __future__ import annotations

import sys

from penstock.cli.terminal import harmless
from penstock.errors import (
    ConfigError,
    DeadlineExceeded,
    LoadError,
    PenstockError,
    PluginError,
    Unsupported,
    UsageError,
)

__all__ = [
    "CONFIG_WRONG",
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
CONFIG_WRONG = 3
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
        case ConfigError():
            return CONFIG_WRONG
        case PluginError():
            return PLUGINS_WRONG
        case LoadError() | DeadlineExceeded(deadline="load"):
            return LOAD_FAILED
        case _:
            return GENERATION_FAILED


def report(error: object) -> None:
    """Say on stderr what is wrong: in one line, or in one for each problem of a configuration.

    Some of it may be a server's or a model's own words.
    """
    several = error.problems if isinstance(error, ConfigError) else (error,)
    for one in several:
        sys.stderr.write(f"error: {harmless(' '.join(str(one).split()))}\n")
    sys.stderr.flush()
