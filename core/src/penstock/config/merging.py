"""Merging: what is said in several places, key by key, the later place over the earlier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from penstock.config.origins import Key, Setting
from penstock.request import CONSTRAINTS

__all__ = ["NONE", "Settings", "below", "merged", "over"]

Settings: TypeAlias = Mapping[Key, Setting]

NONE: Final[Mapping[str, str]] = MappingProxyType({})


def merged(several: Iterable[Settings]) -> Settings:
    """Return all of these, where the later ones win."""
    result: Settings = {}
    for one in several:
        result = over(one, result)
    return result


def over(high: Settings, low: Settings, synonyms: Mapping[str, str] = NONE) -> Settings:
    """Return `high`, with what it does not say taken from `low`.

    What goes with a value that `high` replaces is not taken: the hash of another source, another
    kind of constraint for answers, an option by another of its names. `synonyms` lead from those to
    the option that each means.
    """
    gone = {other for key in high for other in _replaced(key)}
    if synonyms:
        meant = {_meant(key, synonyms) for key in high}
        gone |= {key for key in low if key not in high and _meant(key, synonyms) in meant}
    return {key: setting for key, setting in low.items() if key not in gone} | dict(high)


def below(settings: Settings, key: Key) -> Settings:
    """Return the settings of one table, by their keys in it."""
    length = len(key)
    return {
        inner[length:]: one
        for inner, one in settings.items()
        if inner[:length] == key and len(inner) > length
    }


def _meant(key: Key, synonyms: Mapping[str, str]) -> Key:
    """Return a key of a model by the option's first name."""
    return (key[0], synonyms.get(key[1], key[1])) if key[:1] == ("options",) else key


def _replaced(key: Key) -> Iterator[Key]:
    """Yield what goes when this is set anew."""
    if key[-1] == "source":
        yield (*key[:-1], "sha256")
    if key[-2:-1] == ("sampling",) and key[-1] in CONSTRAINTS:
        yield from ((*key[:-1], name) for name in CONSTRAINTS)
