"""Config: what all places say together, and what that means for one model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.config.discovery import places
from penstock.config.environment import layer_of_flags, layer_of_variables
from penstock.config.layers import Layer
from penstock.config.merging import NONE, Settings, below, merged, over
from penstock.config.names import Names
from penstock.config.origins import Key, Origin, Setting
from penstock.config.paths import expanded
from penstock.config.reading import layer_of_file, layer_of_mapping
from penstock.config.targets import placed
from penstock.declarations import PresetDeclaration
from penstock.errors import ConfigError

__all__ = ["NAMING", "Config"]

FLAG = "--set"
NAMING = ("extends", "aliases")
"""What a model says of itself alone, and nobody inherits."""
_SHARED = ("sampling", "deadlines", "unsupported")
"""What may stand at the top, for every model."""


class Config:
    """What the files, the environment and the flags say, merged key by key.

    `layers` are what each place says, those that others override first. Raises `ConfigError` with
    everything that is wrong in any of them: syntax, unknown keys, types, ranges, names, what
    extends what. If it is to be `tolerant`, that is in `problems`, and wrong values are left out.

    Whether backends exist and take their options is looked at for the model that is loaded, and by
    `penstock config check` for all.
    """

    def __init__(self, layers: Sequence[Layer] = (), *, tolerant: bool = False) -> None:
        self.layers = tuple(_checked(layer) for layer in layers)
        self.settings: Settings = merged(layer.settings for layer in self.layers)
        self._shared = {key: one for key, one in self.settings.items() if key[0] in _SHARED}
        self._own = _by_model(layer.settings for layer in self.layers)
        self._tables: dict[Key, Origin] = {}
        for layer in self.layers:
            self._tables |= layer.tables
        self._names = Names(self.settings, self._tables)
        self.problems = (
            *(problem for layer in self.layers for problem in layer.problems),
            *self._names.problems,
        )
        if self.problems and not tolerant:
            raise ConfigError(self.problems)

    @classmethod
    def discovered(
        cls,
        start: Path | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        flags: Iterable[str] = (),
        tolerant: bool = False,
    ) -> Config:
        """Return what holds here: files found from `start` upwards, variables, and flags.

        `flags` are texts `KEY=VALUE`, which win over everything. May block.
        """
        return cls._with([place.layer() for place in places(start)], environ, flags, tolerant)

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        environ: Mapping[str, str] = os.environ,
        flags: Iterable[str] = (),
        tolerant: bool = False,
    ) -> Config:
        """Return what one file says, instead of those that would be found, and the variables."""
        return cls._with([layer_of_file(expanded(path))], environ, flags, tolerant)

    @classmethod
    def of(cls, data: Mapping[str, Any], *, tolerant: bool = False) -> Config:
        """Return what a mapping says, in the form of penstock.toml, and nothing else."""
        return cls([layer_of_mapping(data, "config")], tolerant=tolerant)

    @classmethod
    def _with(
        cls, files: list[Layer], environ: Mapping[str, str], flags: Iterable[str], tolerant: bool
    ) -> Config:
        names = {key[:2] for layer in files for key in (*layer.tables, *layer.settings) if key[1:]}
        variables = layer_of_variables(environ, names)
        return cls([*files, variables, layer_of_flags(flags, FLAG)], tolerant=tolerant)

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models, in the order they are first mentioned."""
        return self._names.models

    @property
    def aliases(self) -> Mapping[str, str]:
        """The other names, and the model that each stands for."""
        return self._names.aliases

    @property
    def default(self) -> str | None:
        """What is loaded when nothing is named, as it was written; None if nothing says."""
        setting = self.settings.get(("default",))
        return None if setting is None else str(setting.value)

    @property
    def presets(self) -> tuple[PresetDeclaration, ...]:
        """The short names for targets."""
        names = dict.fromkeys(key[1] for key in self.settings if key[0] == "presets")
        said = ((name, below(self.settings, ("presets", name))) for name in names)
        return tuple(_preset(name, settings) for name, settings in said if ("target",) in settings)

    def name_of(self, name: str) -> str | None:
        """Return the model that a name or an alias means, None if it means none."""
        return name if name in self.models else self.aliases.get(name)

    def of_model(self, name: str | None, synonyms: Mapping[str, str] = NONE) -> Settings:
        """Return what holds for a model, by keys such as `("options", "n_ctx")`.

        What it extends and what stands at the top for every model are in it. Without a name, it is
        what holds for a model that the configuration does not know. `synonyms` are other names of
        its backend's options, with the option that each means: they override one another.
        """
        settings: Settings = self._shared
        if name is None:
            return settings
        for one in reversed(self._names.chain(name)):
            for said in self._own.get(one, ()):
                settings = over(_inherited(said), settings, synonyms)
        return settings

    def own(self, name: str) -> Settings:
        """Return what is said of a model itself, by the same keys."""
        return merged(self._own.get(name, ()))

    def chain(self, name: str) -> tuple[str, ...]:
        """Return a model and those that it extends, the nearest first."""
        return self._names.chain(name)

    def origin_of(self, name: str) -> Origin:
        """Return where a model is first mentioned, or its table if it has one."""
        table = self._tables.get(("models", name))
        return next(iter(self.own(name).values())).origin if table is None else table

    def all_of(self, key: Key) -> Iterator[Setting]:
        """Yield what each place says about a key, the one that wins first."""
        for layer in reversed(self.layers):
            if key in layer.settings:
                yield layer.settings[key]


def _by_model(layers: Iterable[Settings]) -> dict[str, list[Settings]]:
    """Return what each place says of each model, those first that others override."""
    found: dict[str, list[Settings]] = {}
    for settings in layers:
        here: dict[str, dict[Key, Setting]] = {}
        for key, setting in settings.items():
            if key[0] == "models" and len(key) > 2:
                here.setdefault(key[1], {})[key[2:]] = setting
        for name, said in here.items():
            found.setdefault(name, []).append(said)
    return found


def _inherited(said: Settings) -> Settings:
    return {key: one for key, one in said.items() if key[0] not in NAMING}


def _checked(layer: Layer) -> Layer:
    if not layer.settings:
        return layer
    from penstock.config.checking import checked  # and with it pydantic

    return checked(layer)


def _preset(name: str, settings: Settings) -> PresetDeclaration:
    target = settings["target",]
    summary = str(settings["summary",].value) if ("summary",) in settings else ""
    where = placed(str(target.value), target.origin)
    return PresetDeclaration(name=name, target=where, summary=summary)
