"""Suggestion: what an error says about a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from penstock.nearest import nearest
from penstock.request import Deadlines, Sampling

__all__ = ["elsewhere", "suggestion", "table_of"]

_TABLES: Final = {"sampling": Sampling, "deadlines": Deadlines}


def table_of(name: str) -> str:
    """Return the table that an option of calls, or a deadline, belongs in; of others, nothing."""
    return next((table for table, kind in _TABLES.items() if name in kind.__annotations__), "")


def elsewhere(name: str) -> str:
    """Return a hint for an option of calls, or a deadline, that stands outside of its table."""
    table = table_of(name)
    return f"did you mean '{table}.{name}'?" if table else ""


def suggestion(name: str, known: Iterable[str], listed: Iterable[str] | None = None) -> str:
    """Return a hint: the nearest name, or else all that are allowed, or those `listed` of them."""
    known = list(known)
    near = nearest(name, known)
    if near:
        return f"did you mean {near[0]!r}?"
    there = known if listed is None else list(listed)
    return f"allowed: {', '.join(there)}" if there else ""
