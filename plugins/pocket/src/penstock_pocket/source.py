"""Resolves `pocket:` to the model file in this package."""

from __future__ import annotations

from pathlib import Path

from penstock import ModelNotFound, StoredModel

from penstock_pocket import path

__all__ = ["resolve", "stored"]


def resolve(rest: str) -> Path:
    """Return the path of the model. Raises `ModelNotFound` if anything follows `pocket:`."""
    if rest:
        raise ModelNotFound(f"there is no pocket model {rest!r}", hint="Write 'pocket:'")
    return path()


def stored(wanted: str = "") -> list[StoredModel]:
    """Return the model, unless something else is wanted."""
    if wanted:
        return []
    model = path()
    return [StoredModel(source="pocket:", path=model, size=model.stat().st_size, files=(model,))]
