"""Choosing: what a name, an alias or a target means to `load()`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from penstock.backend import OptionValue
from penstock.config.auditing import Auditor
from penstock.config.calls import deadlines_of, sampling_of
from penstock.config.config import Config
from penstock.config.environment import read_value
from penstock.config.masking import is_secretive
from penstock.config.merging import Settings, below
from penstock.config.origins import Setting
from penstock.config.paths import exists
from penstock.config.references import Reference, refuse_foreign
from penstock.config.takes import Takes
from penstock.config.targets import placed, target_of
from penstock.config.telling import expectation, problem_at
from penstock.errors import ConfigError, ModelNotFound, UsageError
from penstock.nearest import nearest
from penstock.problem import Problem
from penstock.registry import Registry, Target
from penstock.request import Deadlines, Policy, Sampling
from penstock.secret import Secret
from penstock.templates import template_of
from penstock.values import dataclass

__all__ = ["Choice", "ConfigLike", "choose", "opened"]

ConfigLike: TypeAlias = Config | Mapping[str, Any] | str | Path | Literal[False] | None
"""What `load()` takes for a configuration; None is what holds here, False is none."""

_NONE = "No model is configured: penstock.toml is looked for from the working directory upwards"
_PRESETS = "`penstock models --presets` lists short names"
_LEADING = ("backend", "source", "options")
"""What may say where the secrets of a model go."""


def opened(config: ConfigLike) -> Config:
    """Return the configuration that is meant. May block; raises `ConfigError`."""
    if config is None:
        return Config.discovered()
    if config is False:
        return Config()
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return Config.of(config)
    if isinstance(config, str | Path):
        return Config.read(config)
    raise UsageError(
        f"config={config!r}",
        hint="It is a path, a mapping, a Config, None for what is found, False",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is to be loaded, before any secret is looked up.

    registry       the plugins, with the configuration's presets among theirs
    name           the model of the configuration; None for a target that it does not know
    settings       what holds for the model
    takes          what tells its options
    """

    registry: Registry
    name: str | None
    target: Target
    settings: Settings
    takes: tuple[Takes, ...]

    @property
    def device(self) -> str | None:
        """Where the engine runs, if the configuration says."""
        return self._text("device")

    @property
    def chat_template(self) -> str | None:
        """The chat template, if the configuration says."""
        asked = self._text("chat_template")
        return None if asked is None else template_of(asked)

    @property
    def unsupported(self) -> Policy | None:
        """What to do with options that the engine does not honour, if the configuration says."""
        return cast("Policy | None", self._text("unsupported"))

    @property
    def sampling(self) -> Sampling:
        """Options for calls that leave them open."""
        return sampling_of(self.settings)

    @property
    def deadlines(self) -> Deadlines:
        """Deadlines for loading, and for calls that leave them open."""
        return deadlines_of(self.settings)

    def placed(self, error: ModelNotFound) -> ModelNotFound:
        """Return an error with the place that names what is not there, if one does."""
        source = self.settings.get(("source",))
        if self.name is None or source is None:
            return error
        return ModelNotFound(f"{problem_at(source, error.message, error.hint or '')}")

    def options(self, given: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
        """Return the backend's options, with those of the call, which win, and all secrets.

        May block. Raises `ConfigError` for every reference that leads to nothing, or to something
        that the option cannot be; of what it leads to, nothing is told. It raises too where
        somebody else may have written a part of what a secret of the user's own would go with.
        """
        taken = {self._option(name) for name in given}
        asked = {
            key[0]: one
            for key, one in below(self.settings, ("options",)).items()
            if self._option(key[0]) not in taken
        }
        problems = self._diverting(asked, given)
        found = {} if problems else {n: self._value(n, one, problems) for n, one in asked.items()}
        if problems:
            raise ConfigError(problems)
        return found | dict(given)

    def _text(self, key: str) -> str | None:
        setting = self.settings.get((key,))
        return None if setting is None else str(setting.value)

    def _option(self, name: str) -> str:
        """Return the name that the backend itself has for an option."""
        return self.takes[0].synonyms.get(name, name) if len(self.takes) == 1 else name

    def _diverting(
        self, asked: Mapping[str, Setting], given: Mapping[str, OptionValue]
    ) -> list[Problem]:
        """Return what somebody else may have written of a model with secrets of the user's own.

        Files are merged key by key: theirs need not name a secret to say which server gets it. Nor
        need anybody, where an option is theirs and the backend looks for its secret by itself.
        """
        leading = {key: one for key, one in self.settings.items() if key[0] in _LEADING}
        foreign = {key: told for key, one in leading.items() if (told := _foreign(one)) is not None}
        own = {name: one for name, one in asked.items() if ("options", name) not in foreign}
        if not foreign:
            return []
        secret = any(self._is_secret(name, one) for name, one in own.items())
        if not secret and len(own) < len(asked):
            secret = not self._held(asked, given) <= asked.keys() - own.keys()
        return list(foreign.values()) if secret else []

    def _held(
        self, asked: Mapping[str, Setting], given: Mapping[str, OptionValue]
    ) -> frozenset[str]:
        """Return the options that will hold a secret, found by the backend itself or not."""
        plain = {n: self._read(n, s) for n, s in asked.items() if not isinstance(s.value, Mapping)}
        return frozenset().union(*(takes.secrets({**plain, **given}) for takes in self.takes))

    def _is_secret(self, name: str, setting: Setting) -> bool:
        return isinstance(setting.value, Mapping) or isinstance(self._read(name, setting), Secret)

    def _value(self, name: str, setting: Setting, problems: list[Problem]) -> OptionValue:
        if not isinstance(setting.value, Mapping):
            return self._read(name, setting)
        try:
            text = Reference.of(setting.value).resolve(setting.origin)
        except UsageError as error:
            problems.append(problem_at(setting, error.message, error.hint or ""))
            return None
        value = self._read(name, replace(setting, value=read_value(text), text=text))
        for takes in self.takes if len(self.takes) == 1 else ():
            refusal = takes.refusal({name: value})
            if refusal is not None and not takes.refusal({}):
                what = expectation(refusal) or "must be something else"
                problems.append(problem_at(setting, f"what it leads to {what}"))
        return value

    def _read(self, name: str, setting: Setting) -> OptionValue:
        for takes in self.takes:
            if takes.fields and takes.knows(name):
                return takes.value(name, setting)
        text = setting.value if setting.text is None else setting.text
        if isinstance(text, str) and is_secretive(name):
            return Secret(text)
        return cast("OptionValue", setting.value)


def choose(config: Config, wanted: str | None, registry: Registry) -> Choice:
    """Return what a name or a target means; without one, what the default means.

    Raises `ConfigError` where the configuration of that model is wrong, `ModelNotFound` with the
    nearest names, `UnknownBackend` or `UnknownSource`.
    """
    if config.presets:
        registry = registry.with_presets(config.presets)
    text = wanted or config.default or registry.default_target()
    name = config.name_of(text)
    auditor = Auditor(config, registry)
    settings = config.of_model(None) if name is None else auditor.settings_of(name)
    problems = [*(auditor.of_the_sampling(settings) if name is None else auditor.of_model(name))]
    if problems:
        raise ConfigError(problems)
    if name is None:
        default = None if wanted else config.settings.get(("default",))
        target, takes = _unnamed(text, default, config, registry), []
    else:
        target = target_of(settings, registry)
        takes = auditor.takes_of(settings, target)
    return Choice(
        registry=registry, name=name, target=target, settings=settings, takes=tuple(takes)
    )


def _unnamed(text: str, default: Setting | None, config: Config, registry: Registry) -> Target:
    target = registry.parse(text)
    if target.scheme is not None or (target.backend is not None and not _files(target, registry)):
        return target
    if default is not None:
        target = replace(target, rest=placed(target.rest, default.origin))
    if target.backend is not None or exists(target.rest):
        return target
    known = [*config.models, *config.aliases, *registry.presets]
    if default is not None:
        raise ConfigError(
            [problem_at(default, "there is no such model", _hint(text, known, config))]
        )
    if text in {*registry.backends, *registry.sources} or _is_path(text, registry):
        return target  # of which the registry tells that it is not there
    raise ModelNotFound(f"there is no model and no file {text!r}", hint=_hint(text, known, config))


def _foreign(setting: Setting) -> Problem | None:
    """Return what is wrong with a setting that somebody else may have written."""
    try:
        refuse_foreign(setting.origin)
    except UsageError as error:
        what = "a secret would go with this, which somebody else may have written"
        masked = is_secretive(setting.key.rpartition(".")[2])
        return problem_at(setting, what, error.hint or "", masked=masked)
    return None


def _hint(text: str, known: list[str], config: Config) -> str:
    near = nearest(text, known)
    there = f"The configuration has {', '.join(config.models)}" if config.models else _PRESETS
    if not near:
        return there if config.models else f"{_NONE}. {there}"
    return f"Did you mean {' or '.join(map(repr, near))}? {there}"


def _is_path(text: str, registry: Registry) -> bool:
    """Whether it can be no name, or has the ending of a file that a backend reads."""
    return "/" in text or "\\" in text or bool(registry.readers(Path(text).suffix))


def _files(target: Target, registry: Registry) -> bool:
    return target.backend is not None and bool(registry.backends[target.backend].formats)
