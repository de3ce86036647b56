"""Nearest: what to write instead of a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that are like this one, the most alike first, three at the most."""
    import difflib  # only who mistyped needs it

    by_letters: dict[str, str] = {}
    for one in known:
        by_letters.setdefault(one.casefold(), one)
    near = difflib.get_close_matches(name.casefold(), by_letters, n=3)
    return [by_letters[letters] for letters in near]


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return a hint: the nearest name, or `otherwise` where none is near."""
    near = nearest(name, known)
    return f"Did you mean {near[0]!r}?" if near else otherwise
