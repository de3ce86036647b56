"""Nearest: what to write instead of a name that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["nearest", "suggestion"]


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that are like this one, the most alike first, three at the most."""
    by_letters: dict[str, str] = {}
    for one in known:
        by_letters.setdefault(one.casefold(), one)
    near = difflib.get_close_matches(name.casefold(), by_letters, n=3)
    return [by_letters[letters] for letters in near]


def suggestion(name: str, known: Iterable[str], listed: Iterable[str] | None = None) -> str:
    """Return a hint: the nearest name, or else all that are allowed, or those `listed` of them."""
    known = list(known)
    near = nearest(name, known)
    if near:
        return f"did you mean {near[0]!r}?"
    there = known if listed is None else list(listed)
    return f"allowed: {', '.join(there)}" if there else ""
