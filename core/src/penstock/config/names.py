"""Names: the models that there are, what they are called too, and what extends what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from penstock.config.merging import Settings
from penstock.config.origins import Key, Origin, Setting, dotted
from penstock.config.suggestion import suggestion
from penstock.config.telling import problem_at, problem_of
from penstock.problem import Problem

__all__ = ["Names"]

_NAME: Final = re.compile(r"[\w.+@-]+")
"""A name can be told from a path and from a source with a scheme."""


class Names:
    """The names in a configuration whose layers are right each by itself.

    `models` are in the order they are first mentioned; `aliases` lead from other names to them;
    `problems` tell of names that clash, are no names, or extend what is not there.
    """

    def __init__(self, settings: Settings, tables: Mapping[Key, Origin]) -> None:
        self._settings = settings
        self._tables = tables
        mentioned = [key[1] for key in (*tables, *settings) if key[0] == "models" and key[1:]]
        self.models = tuple(dict.fromkeys(mentioned))
        self._presets = dict.fromkeys(key[1] for key in settings if key[0] == "presets")
        self.aliases: dict[str, str] = {}
        self.problems = (
            *self._wrong_names(),
            *self._clashing_aliases(),
            *self._wrong_presets(),
            *self._wrong_bases(),
        )

    def chain(self, name: str) -> tuple[str, ...]:
        """Return a model and those that it extends, the nearest first."""
        names = [name]
        while (base := self._base(names[-1])) is not None:
            if base.value not in self.models or base.value in names:
                break  # of which a problem tells
            names.append(str(base.value))
        return tuple(names)

    def _base(self, name: str) -> Setting | None:
        return self._settings.get(("models", name, "extends"))

    def _wrong_names(self) -> Iterator[Problem]:
        for kind, names in (("models", self.models), ("presets", self._presets)):
            for name in names:
                if not _NAME.fullmatch(name):
                    yield self._at(
                        (kind, name), f"{name!r} is no name", "letters, digits and . _ + @ -"
                    )

    def _clashing_aliases(self) -> Iterator[Problem]:
        for name in self.models:
            setting = self._settings.get(("models", name, "aliases"))
            if setting is None:
                continue
            for alias in list(setting.value):  # type: ignore[call-overload]  # it is of texts
                owner = alias if alias in self.models else self.aliases.get(alias)
                if not _NAME.fullmatch(alias):
                    yield problem_at(
                        setting, f"{alias!r} is no name", "letters, digits and . _ + @ -"
                    )
                elif owner is not None:
                    named = alias in self.models
                    kind = "the name" if named else "an alias"
                    what = f"{alias!r} is {kind} of models.{dotted([owner])} already"
                    key = ("models", owner) if named else ("models", owner, "aliases")
                    yield problem_at(setting, what, self._elsewhere(key, setting.origin))
                else:
                    self.aliases[alias] = name

    def _wrong_presets(self) -> Iterator[Problem]:
        for name in self._presets:
            if ("presets", name, "target") not in self._settings:
                yield self._at(("presets", name), "has no target")
            owner = name if name in self.models else self.aliases.get(name)
            if owner is not None:
                what = f"{name!r} is what models.{dotted([owner])} is called already"
                here = self._origin(("presets", name))
                yield self._at(("presets", name), what, self._elsewhere(("models", owner), here))

    def _wrong_bases(self) -> Iterator[Problem]:
        for name in self.models:
            seen, base = [name], self._base(name)
            while base is not None and base.value in self.models and base.value not in seen:
                seen.append(str(base.value))
                base = self._base(seen[-1])
            if base is None:
                continue
            if base.value not in self.models:
                if len(seen) == 1:  # else it is told where it is written
                    yield problem_at(base, "there is no such model", self._models_like(base.value))
            elif base.value == name and name == min(seen, key=self.models.index):
                yield problem_at(base, f"extends itself: {' → '.join([*seen, name])}")

    def _models_like(self, name: object) -> str:
        return suggestion(str(name), self.models)

    def _elsewhere(self, key: Key, here: Origin) -> str:
        """Return where a key stands, if that is another file than `here`, or a variable."""
        origin = self._origin(key)
        return "" if origin.where == here.where else f"at {origin}"

    def _origin(self, key: Key) -> Origin:
        """Return where a table is, or else where something in it is first said."""
        said = (one.origin for other, one in self._settings.items() if other[: len(key)] == key)
        table = self._tables.get(key)
        return next(said) if table is None else table

    def _at(self, key: Key, what: str, hint: str = "") -> Problem:
        """Return the problem of a table, or of what stands for it."""
        table = self._tables.get(key)
        if table is None:
            first = next(one for other, one in self._settings.items() if other[:2] == key)
            return problem_at(first, what, hint)
        return problem_of(table, dotted(key), what, hint)
