"""Resolves `pocket:` to the model file in this package."""

from __future__ import annotations

from pathlib import Path

from penstock import ModelNotFound

from penstock_pocket import path

__all__ = ["resolve"]


def resolve(rest: str) -> Path:
    """Return the path of the model. Raises `ModelNotFound` if anything follows `pocket:`."""
    if rest:
        raise ModelNotFound(f"there is no pocket model {rest!r}", hint="Write 'pocket:'")
    return path()
