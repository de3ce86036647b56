"""Durations: seconds as a number, or a text such as "30s"."""

from __future__ import annotations

import math
import re
from typing import Final

from penstock.errors import UsageError

__all__ = ["PATTERN", "seconds"]

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
PATTERN: Final = r"^\s*\d+(\.\d+)?\s*(ms|s|min|m|h)\s*$"
"""What a text must match, for JSON schemas too."""


def seconds(value: object) -> float:
    """Return how many seconds a duration has. Raises `UsageError` for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if math.isfinite(value) and value >= 0:
            return float(value)
    elif isinstance(value, str):
        match = re.match(PATTERN, value, re.ASCII)
        if match is not None:
            number, unit = value.strip().removesuffix(match[2]), match[2]
            return float(number) * _UNITS[unit]
    raise UsageError(
        f"{value!r} is no duration",
        hint='It must be a number of seconds, or a text such as "30s", "2m", "500ms" or "1h"',
    )
