"""Auditing: whether the backends that a configuration names are there and take what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from penstock.backend import OptionValue
from penstock.config.calls import sampling_of
from penstock.config.config import Config
from penstock.config.layers import ENTRY_KEYS, MODEL
from penstock.config.masking import is_secretive
from penstock.config.merging import NONE, Settings, below
from penstock.config.origins import Setting, dotted
from penstock.config.paths import exists
from penstock.config.suggestion import elsewhere, suggestion
from penstock.config.takes import Takes
from penstock.config.targets import absent, backend_of, hashed, located
from penstock.config.telling import expectation, problem_at, problem_of
from penstock.errors import PenstockError, PluginError, UsageError
from penstock.nearest import nearest
from penstock.problem import Problem
from penstock.registry import Registry, Target
from penstock.request import CONSTRAINTS

__all__ = ["Auditor"]


class Auditor:
    """Looks at the models of a configuration with the eyes of the installed plugins.

    It imports what plugins declare as their options, and no engine.
    """

    def __init__(self, config: Config, registry: Registry) -> None:
        self._config = config
        self._registry = registry.with_presets(config.presets) if config.presets else registry

    def problems(self) -> list[Problem]:
        """Return all that is wrong with the configuration, each thing once.

        Of a model in which something is wrong by itself, what it lacks is not told.
        """
        config = self._config
        found = dict.fromkeys([*config.problems, *self._of_the_default()])
        found |= dict.fromkeys(self.of_the_sampling(config.of_model(None)))
        extended = {base for name in config.models for base in config.chain(name)[1:]}
        for name in config.models:
            whole = name not in extended and not config.problems
            found |= dict.fromkeys(self._of_model(name, loaded=whole))
        places = list(dict.fromkeys(where for layer in config.layers for where in layer.places()))
        return sorted(found, key=lambda one: (places.index(one.where), one.line or 0))

    def _of_model(self, name: str, *, loaded: bool) -> Iterator[Problem]:
        """Yield the same, and what is wrong with the plugin of its backend."""
        try:
            yield from self.of_model(name, loaded=loaded)
        except PluginError as error:
            yield self._at(name, error.message, error.hint or "")

    def absent(self) -> Iterator[Problem]:
        """Yield a warning for each model whose file is not there, or not yet."""
        for source in dict.fromkeys(map(self._absent, self._config.models)):
            if source is not None:
                yield problem_at(source, "there is no such file", "a download has a scheme, as hf:")

    def of_model(self, name: str, *, loaded: bool = True) -> Iterator[Problem]:
        """Yield what is wrong with one model. Unless it is `loaded`, it need not be complete.

        Raises `PluginError` where its backend's own options cannot be asked.
        """
        settings = self.settings_of(name)
        backend = settings.get(("backend",))
        if backend is not None and backend.value not in self._registry.backends:
            yield problem_at(backend, "there is no such backend here", self._backends_like(backend))
            return
        target = None
        try:
            target = located(settings, self._registry)
        except PenstockError as error:
            yield problem_at(settings["source",], error.message, error.hint or "")
        if target is not None:
            yield from self._of_the_hash(target, settings.get(("sha256",)))
        if loaded and target is not None:
            yield from self._incomplete(name, settings)
        yield from self.of_the_sampling(settings)
        yield from self._of_the_options(name, settings, self.takes_of(settings, target))

    def settings_of(self, name: str) -> Settings:
        """Return what holds for a model, an option under one of its names only."""
        able = self.takes_of_model(name)
        synonyms = able[0].synonyms if len(able) == 1 else NONE
        return self._config.of_model(name, synonyms)

    def takes_of(self, settings: Settings, target: Target | None) -> list[Takes]:
        """Return what tells a model's options: its backend, or all, while none is known.

        Raises `PluginError` where its backend's own class cannot be asked.
        """
        backend = backend_of(settings, target, self._registry)
        if backend is None:
            return [*map(Takes, self._registry.backends.values())]
        takes = Takes(self._registry.backends[backend])
        if takes.fault is not None:
            raise takes.fault
        return [takes]

    def takes_of_model(self, name: str) -> list[Takes]:
        """Return what tells the options of a model, none where its backend is not here."""
        settings = self._config.of_model(name)
        try:
            return self.takes_of(settings, located(settings, self._registry))
        except (KeyError, PenstockError):
            return []

    def _absent(self, name: str) -> Setting | None:
        settings = self._config.of_model(name)
        return settings.get(("source",)) if absent(settings, self._registry) else None

    def _of_the_default(self) -> Iterator[Problem]:
        setting = self._config.settings.get(("default",))
        if setting is None or self._config.name_of(str(setting.value)) is not None:
            return
        text = str(setting.value)
        try:
            target = self._registry.parse(text)
        except PenstockError as error:
            yield problem_at(setting, error.message, error.hint or "")
            return
        plain = target.backend is None and target.scheme is None
        if plain and not exists(target.rest) and not _beside(setting, text):
            yield problem_at(setting, "there is no such model", self._names_like(text))

    def _incomplete(self, name: str, settings: Settings) -> Iterator[Problem]:
        source, backend = settings.get(("source",)), settings.get(("backend",))
        declared = None if backend is None else self._registry.backends[str(backend.value)]
        if declared is not None and not declared.formats:
            return
        if source is None:
            yield self._at(name, "has no source", 'such as source = "hf:owner/repo"')
        elif declared is not None and source.key.endswith(f".{MODEL}"):
            yield problem_at(source, f"{declared.name} reads files", "did you mean 'source'?")

    def _of_the_hash(self, target: Target, sha256: Setting | None) -> Iterator[Problem]:
        try:
            hashed(target, sha256)
        except UsageError as error:
            assert sha256 is not None
            yield problem_at(sha256, error.message, error.hint or "")

    def of_the_sampling(self, settings: Settings) -> Iterator[Problem]:
        """Yield what is wrong with sampling options together; each alone is right."""
        try:
            sampling_of(settings)
        except UsageError as error:
            chosen = below(settings, ("sampling",))
            last = [one for (key,), one in chosen.items() if key in CONSTRAINTS][-1]
            yield problem_at(last, error.message, error.hint or "")

    def _of_the_options(
        self, name: str, settings: Settings, able: list[Takes]
    ) -> Iterator[Problem]:
        options = {key[0]: one for key, one in below(settings, ("options",)).items()}
        unknown = [key for key in options if not any(takes.knows(key) for takes in able)]
        for key in unknown:
            yield self._unknown(name, key, options[key], able)
        known = {key: one for key, one in options.items() if key not in unknown}
        if len(able) == 1:
            yield from self._of_the_values(name, known, able[0], complete=not unknown)
        else:
            yield from self._refused_by_all(known, able)

    def _unknown(self, name: str, key: str, setting: Setting, able: list[Takes]) -> Problem:
        known = [option for takes in able for option in (*takes.fields, *takes.synonyms)]
        if ".options." not in setting.key:
            known = [*ENTRY_KEYS, *known]
        near = nearest(key, known)
        secret = is_secretive(key) or any(takes.is_secret(one) for takes in able for one in near)
        what = "unknown key" if _is_beside(setting, name) else _lacks(able, setting, name)
        masked = secret and not isinstance(setting.value, Mapping)
        hint = elsewhere(key) or suggestion(key, known)
        return problem_at(setting, what, hint, masked=masked)

    def _of_the_values(
        self, name: str, options: Mapping[str, Setting], takes: Takes, *, complete: bool
    ) -> Iterator[Problem]:
        """Ask for all at once, and if they are refused, for one by one, so that all are told."""
        given = {
            key: takes.value(key, one)
            for key, one in options.items()
            if not isinstance(one.value, Mapping)
        }
        refusal = takes.refusal(given)
        if refusal is None:
            return
        alone = [] if takes.refusal({}) else [*self._refused(options, given, takes)]
        yield from alone
        if not alone and complete and len(given) == len(options):
            yield self._at(name, refusal.message, refusal.hint or "")

    def _refused_by_all(
        self, options: Mapping[str, Setting], able: list[Takes]
    ) -> Iterator[Problem]:
        """Yield the values that no backend takes, where it is not known which one it will be."""
        for key, setting in options.items():
            refused = [
                problem
                for takes in able
                if takes.knows(key) and not isinstance(setting.value, Mapping)
                for problem in self._refused(
                    {key: setting}, {key: takes.value(key, setting)}, takes
                )
            ]
            if refused and len(refused) == sum(takes.knows(key) for takes in able):
                yield refused[0]

    def _refused(
        self, options: Mapping[str, Setting], given: Mapping[str, OptionValue], takes: Takes
    ) -> Iterator[Problem]:
        for key, value in given.items():
            refusal = takes.refusal({key: value})
            if refusal is not None:
                secret = takes.is_secret(key)
                what = expectation(refusal)
                hint = "" if what else refusal.hint or ""
                yield problem_at(options[key], what or refusal.message, hint, masked=secret)

    def _at(self, name: str, what: str, hint: str) -> Problem:
        """Return the problem of a model as a whole."""
        return problem_of(self._config.origin_of(name), dotted(("models", name)), what, hint)

    def _backends_like(self, setting: Setting) -> str:
        broken = "".join(
            f"; plugin {record.name!r} is {record.state}: {record.reason}"
            for record in self._registry.records
            if record.state != "loaded"
        )
        return suggestion(str(setting.value), sorted(self._registry.backends)) + broken

    def _names_like(self, name: str) -> str:
        listed = [*self._config.models, *self._config.aliases]
        return suggestion(name, [*listed, *self._registry.presets], listed)


def _is_own(setting: Setting, name: str) -> bool:
    return not setting.key or setting.key.startswith(f"{dotted(('models', name))}.")


def _is_beside(setting: Setting, name: str) -> bool:
    """Whether it is a model's own, and stands beside `backend`: it may be anything."""
    return ".options." not in setting.key and _is_own(setting, name)


def _lacks(able: list[Takes], setting: Setting, name: str) -> str:
    if len(able) != 1:
        return "no backend here has such an option"
    of_whom = "" if _is_own(setting, name) else f", the backend of {dotted(('models', name))},"
    return f"{able[0].backend}{of_whom} has no such option"


def _beside(setting: Setting, text: str) -> bool:
    file = setting.origin.file
    return file is not None and exists(file.parent / text)
