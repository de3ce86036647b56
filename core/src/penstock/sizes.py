"""Sizes in bytes, for people."""

from __future__ import annotations

__all__ = ["human"]

_STEP = 1000


def human(size: float) -> str:
    """Return a number of bytes in the unit that suits it: `12 kB`, `1.2 GB`."""
    for unit in ("B", "kB"):
        if size < _STEP:
            return f"{size:.0f} {unit}"
        size /= _STEP
    return f"{size:.1f} MB" if size < _STEP else f"{size / _STEP:.1f} GB"
