"""Merging: what is said in several places, key by key, the later place over the earlier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from penstock.config.origins import Key, Setting
from penstock.request import CONSTRAINTS

__all__ = ["Settings", "below", "merged", "over"]

Settings: TypeAlias = Mapping[Key, Setting]


def merged(several: Iterable[Settings]) -> Settings:
    """Return all of these, where the later ones win."""
    result: Settings = {}
    for one in several:
        result = over(one, result)
    return result


def over(high: Settings, low: Settings) -> Settings:
    """Return `high`, with what it does not say taken from `low`.

    What goes with a value that `high` replaces is not taken: the hash of another source, another
    kind of constraint for answers.
    """
    gone = {other for key in high for other in _replaced(key)}
    return {key: setting for key, setting in low.items() if key not in gone} | dict(high)


def below(settings: Settings, key: Key) -> Settings:
    """Return the settings of one table, by their keys in it."""
    length = len(key)
    return {
        inner[length:]: one
        for inner, one in settings.items()
        if inner[:length] == key and len(inner) > length
    }


def _replaced(key: Key) -> Iterator[Key]:
    """Yield what goes when this is set anew."""
    if key[-1] == "source":
        yield (*key[:-1], "sha256")
    if key[-2:-1] == ("sampling",) and key[-1] in CONSTRAINTS:
        yield from ((*key[:-1], name) for name in CONSTRAINTS)
