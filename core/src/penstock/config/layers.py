"""Layers: what one file, the environment or the flags say, each value at its place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import field, replace
from typing import Final, TypeAlias

from penstock.config.masking import is_secretive
from penstock.config.origins import Key, Origin, Setting, dotted
from penstock.config.telling import problem_at
from penstock.problem import Problem
from penstock.values import dataclass

__all__ = ["ENTRY_KEYS", "MODEL", "Layer", "is_table", "layer_of"]

ENTRY_KEYS: Final = (
    "backend", "source", "device", "options", "sampling", "deadlines", "unsupported", "extends",
    "aliases", "chat_template", "sha256",
)  # fmt: skip
"""What an entry of `models` may have itself; every other key is an option of its backend."""

MODEL: Final = "model"
"""Another word for `source`, for backends that read no files."""

Place: TypeAlias = Callable[[Key], Origin]

_TABLES: Final[tuple[Key, ...]] = (
    (),
    ("models",),
    ("models", "*"),
    ("models", "*", "options"),
    ("models", "*", "sampling"),
    ("models", "*", "deadlines"),
    ("sampling",),
    ("deadlines",),
    ("presets",),
    ("presets", "*"),
)


@dataclass(frozen=True, slots=True)
class Layer:
    """What one place says.

    settings  every value; a table is one too where it is no table of the configuration's own, such
              as a reference to a secret
    tables    the tables of the configuration's own, the empty ones too
    problems  what is wrong already
    """

    settings: Mapping[Key, Setting] = field(default_factory=dict)
    tables: Mapping[Key, Origin] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def places(self) -> Iterator[str]:
        """Yield the files and variables that it is of."""
        yield from (problem.where for problem in self.problems)
        yield from (origin.where for origin in self.tables.values())
        yield from (setting.origin.where for setting in self.settings.values())

    def without(self, keys: Collection[Key]) -> Layer:
        """Return the same without some settings."""
        kept = {key: setting for key, setting in self.settings.items() if key not in keys}
        return replace(self, settings=kept)


def is_table(key: Key) -> bool:
    """Whether the configuration has a table of its own there, merged key by key."""
    return any(
        len(key) == len(shape) and all(s in ("*", k) for s, k in zip(shape, key, strict=True))
        for shape in _TABLES
    )


def layer_of(data: Mapping[str, object], place: Place) -> Layer:
    """Return the layer that `data` is, as tomllib reads it; `place` tells where a key stands."""
    settings: dict[Key, Setting] = {}
    tables: dict[Key, Origin] = {}
    problems: list[Problem] = []
    for written, value in _walked((), data):
        key, origin = _canonical(written), place(written)
        if isinstance(value, Mapping) and is_table(key):
            tables[key] = origin
            continue
        if key[:1] == ("presets",) and len(key) == 2 and isinstance(value, str):
            key = (*key, "target")
        setting = Setting(value, origin, dotted(written))
        if key in settings:
            problems.append(_twice(settings[key], setting, masked=is_secretive(key[-1])))
        else:
            settings[key] = setting
    return Layer(settings, tables, tuple(problems))


def _walked(key: Key, table: Mapping[str, object]) -> Iterator[tuple[Key, object]]:
    for name, value in table.items():
        if value is None:  # as a mapping of Python may have it: not set
            continue
        inner = (*key, str(name))
        yield inner, value
        if isinstance(value, Mapping) and is_table(_canonical(inner)):
            yield from _walked(inner, value)


def _canonical(key: Key) -> Key:
    """Return where a key belongs: an option may stand beside `backend`, as `source` may."""
    if len(key) != 3 or key[0] != "models" or key[2] in ENTRY_KEYS:
        return key
    if key[2] == MODEL:
        return (*key[:2], "source")
    return (*key[:2], "options", key[2])


def _twice(first: Setting, second: Setting, *, masked: bool) -> Problem:
    hint = f"as {first.key} too, at {first.origin}"
    return problem_at(second, "is set twice", hint, masked=masked)
