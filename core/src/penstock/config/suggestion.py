"""Suggestion: what an error says about a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.nearest import nearest

__all__ = ["suggestion"]


def suggestion(name: str, known: Iterable[str], listed: Iterable[str] | None = None) -> str:
    """Return a hint: the nearest name, or else all that are allowed, or those `listed` of them."""
    known = list(known)
    near = nearest(name, known)
    if near:
        return f"did you mean {near[0]!r}?"
    there = known if listed is None else list(listed)
    return f"allowed: {', '.join(there)}" if there else ""
