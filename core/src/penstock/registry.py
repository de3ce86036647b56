"""Registry: which backends and sources the plugins offer, and which one a target means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from penstock.backend import Backend
from penstock.declarations import BackendDeclaration, PresetDeclaration, SourceDeclaration
from penstock.errors import (
    ModelNotFound,
    PenstockError,
    PluginError,
    UnknownBackend,
    UnknownSource,
    UsageError,
)
from penstock.importing import imported
from penstock.nearest import nearest
from penstock.plugins import PluginRecord, discover, told
from penstock.sources import Source, SourceContext
from penstock.values import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    import pluggy

__all__ = ["Registry", "Target"]

D = TypeVar("D", BackendDeclaration, PresetDeclaration, SourceDeclaration)


@dataclass(frozen=True, slots=True)
class Target:
    """A target taken apart: the backend, if it names one, the scheme, if any, and the rest."""

    backend: str | None
    scheme: str | None
    rest: str

    @property
    def source(self) -> str:
        """The target without its backend."""
        return self.rest if self.scheme is None else f"{self.scheme}:{self.rest}"


class Registry:
    """Backends and sources by name. Made once per process by whoever loads; never global state.

    `records` tells of every plugin, the broken ones too; `origins` which one offers a backend.
    """

    def __init__(
        self, manager: pluggy.PluginManager, records: tuple[PluginRecord, ...] = ()
    ) -> None:
        broken: dict[str, str] = {}
        backends = _declared(manager, "penstock_backends", BackendDeclaration, "name", broken)
        sources = _declared(manager, "penstock_sources", SourceDeclaration, "scheme", broken)
        self.backends = {name: declaration for name, (_, declaration) in backends.items()}
        self.sources = {name: declaration for name, (_, declaration) in sources.items()}
        self.origins = {name: plugin for name, (plugin, _) in backends.items()}
        self._source_origins = {name: plugin for name, (plugin, _) in sources.items()}
        self.records = _with_broken(
            _with_hidden(records, self._source_origins, self.origins), broken
        )
        self._plugins = manager

    @cached_property
    def presets(self) -> Mapping[str, PresetDeclaration]:
        """The short names that plugins offer; asked for on first use, which may read files."""
        return {name: declaration for name, (_, declaration) in self._presets_by_plugin.items()}

    @cached_property
    def _presets_by_plugin(self) -> Mapping[str, tuple[str, PresetDeclaration]]:
        broken: dict[str, str] = {}
        found = _declared(self._plugins, "penstock_presets", PresetDeclaration, "name", broken)
        self.records = _with_broken(self.records, broken)
        return found

    def offers(self) -> Mapping[str, tuple[str, ...]]:
        """Return what each plugin offers, in words: `backend x`, `source y`, `3 presets`."""
        found: dict[str, list[str]] = {}
        for name, plugin in self.origins.items():
            found.setdefault(plugin, []).append(f"backend {name}")
        for name, plugin in self._source_origins.items():
            found.setdefault(plugin, []).append(f"source {name}")
        presets = Counter(plugin for plugin, _ in self._presets_by_plugin.values())
        for plugin, count in presets.items():
            found.setdefault(plugin, []).append(f"{count} preset{'s' if count > 1 else ''}")
        return {plugin: tuple(things) for plugin, things in found.items()}

    def with_presets(self, more: Iterable[PresetDeclaration]) -> Registry:
        """Return the same plugins with `more` short names, which win over the plugins' own."""
        presets = {**self.presets, **{preset.name: preset for preset in more}}
        view = copy(self)
        view.presets = presets
        return view

    @classmethod
    def installed(cls) -> Registry:
        """Return the registry of what is installed here."""
        return cls(*discover())

    def default_target(self) -> str:
        """Return what is loaded when no target is named: a plugin's default source.

        Raises `UsageError` if no plugin has one.
        """
        for source in self.sources.values():
            if source.default:
                return f"{source.scheme}:"
        raise UsageError(
            "no model is named, and no plugin offers a default",
            hint="Name one, or set `default` in penstock.toml",
        )

    def parse(self, target: str) -> Target:
        """Take a target apart: `[backend:][scheme:]rest`, or `[backend:]preset`; else it is a path.

        A preset stands for its target, where no file has its name; behind a backend that reads no
        files, a name is its own. A backend in front of a preset wins over one that it names.
        """
        backend, rest = self._backend_of(target)
        preset = self._preset(backend, rest)
        if preset is not None:
            named, rest = self._backend_of(preset.target)
            backend = backend or named
        return self._source(backend, rest)

    def _backend_of(self, target: str) -> tuple[str | None, str]:
        """Split a target into the backend that it names, if any, and the rest."""
        head, colon, tail = target.partition(":")
        return (head, tail) if colon and head in self.backends else (None, target)

    def _source(self, backend: str | None, rest: str) -> Target:
        head, colon, tail = rest.partition(":")
        if colon and head in self.sources:
            return Target(backend, head, tail)
        if colon and backend is None and _is_word(head) and _existing(rest) is None:
            raise self._unknown(head)
        return Target(backend, None, rest)

    def _preset(self, backend: str | None, name: str) -> PresetDeclaration | None:
        if backend is not None and not self.backends[backend].formats:
            return None
        if not name or name.partition(":")[0] in self.sources or _existing(name) is not None:
            return None
        return self.presets.get(name)

    def backend(self, name: str) -> Backend:
        """Return the backend of that name, importing it.

        Raises `UnknownBackend`, with the nearest name and why plugins are missing, and
        `PluginError` where it cannot be imported.
        """
        declared = self.backends.get(name)
        if declared is None:
            raise self._unknown(name)
        factory = imported(declared.factory, f"backend {name!r}")
        try:
            made = factory()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PluginError(f"backend {name!r} cannot be made: {error!r}") from error
        if not isinstance(made, Backend):
            raise PluginError(f"backend {name!r}: {declared.factory!r} is no penstock.Backend")
        return made

    def source(self, scheme: str) -> Source:
        """Return the source of that scheme. Raises `UnknownSource`, with the nearest."""
        declared = self.sources.get(scheme)
        if declared is None:
            raise self._unknown(scheme)
        return Source(declared)

    def backend_for(self, path: Path) -> str:
        """Return the name of the backend that loads files like `path`. May block.

        The ending of the name tells the format, or else the first bytes of the file do.
        """
        able = self.backends_for(path)
        if not able:
            raise UnknownBackend(
                f"no installed backend loads files like {path.name!r}"
                if path.suffix
                else f"{str(path)!r} does not tell which backend it is for",
                hint=f"Install one that does, or name one: '<backend>:{path}'. {self._listing()}",
            )
        return able[0]

    def backends_for(self, path: Path) -> list[str]:
        """Return the names of all backends that load files like `path`, the first choice first."""
        return self.readers(path.suffix) or self.readers(_magic(path))

    def readers(self, form: str) -> list[str]:
        """Return the names of all backends that load a format, such as "gguf" or ".gguf"."""
        form = form.lstrip(".").lower()
        able = [b for b in self.backends.values() if form in b.formats]
        able.sort(key=lambda b: (b.priority, b.name), reverse=True)
        return [b.name for b in able]

    def resolve(self, target: Target, context: SourceContext | None = None) -> Path | None:
        """Return the local path of a target, or None if it names none. May block.

        A source that can be told tells its progress to `context`, and stops when that is cancelled.
        Raises `ModelNotFound`, or another `LoadError` where a source fails.
        """
        if target.scheme is not None:
            return self.source(target.scheme).resolve(target.rest, context or SourceContext())
        path = _existing(target.rest) if target.rest else None
        if path is None and target.backend is None:
            raise ModelNotFound(f"there is no file {target.rest!r}", hint=self._preset_like(target))
        return path

    def _preset_like(self, target: Target) -> str:
        if target.rest in self.backends or target.rest in self.sources:
            return f"For what is called so here, write {target.rest + ':'!r}"
        near = nearest(target.rest, self.presets)
        if not near:
            return "Check the path"
        return f"Did you mean {' or '.join(map(repr, near))}? `penstock models --presets` lists all"

    def _unknown(self, name: str) -> PenstockError:
        known = [*self.backends, *self.sources]
        near = nearest(name, known)
        hint = f"Did you mean {near[0]!r}? " if near else "Is its plugin installed? "
        kind = UnknownSource if near and near[0] in self.sources else UnknownBackend
        sources = ", ".join(sorted(self.sources)) or "none"
        there = f"Sources here: {sources}. {self._listing()}"
        return kind(f"there is no backend or source named {name!r}", hint=hint + there)

    def _listing(self) -> str:
        there = ", ".join(sorted(self.backends)) or "none"
        broken = "".join(
            f"; plugin {r.name!r} is {r.state}: {r.reason}"
            for r in self.records
            if r.state != "loaded"
        )
        return f"Backends here: {there}{broken}"


def _with_hidden(
    records: Iterable[PluginRecord], sources: Mapping[str, str], backends: Mapping[str, str]
) -> tuple[PluginRecord, ...]:
    """Tell of sources whose names mean a backend of another plugin, in front of a target."""
    hidden = {
        plugin: f"{scheme + ':'!r} means the backend of plugin {backends[scheme]!r}; "
        f"for the source, write '<backend>:{scheme}:…'"
        for scheme, plugin in sources.items()
        if backends.get(scheme, plugin) != plugin
    }
    return tuple(replace(r, reason=hidden.get(r.name, r.reason)) for r in records)


def _with_broken(
    records: Iterable[PluginRecord], broken: Mapping[str, str]
) -> tuple[PluginRecord, ...]:
    return tuple(
        replace(r, state="broken", reason=broken[r.name]) if r.name in broken else r
        for r in records
    )


def _declared(
    manager: pluggy.PluginManager, hook: str, kind: type[D], key: str, broken: dict[str, str]
) -> Mapping[str, tuple[str, D]]:
    """Call one hook, plugin by plugin, so that a failing one is known by name.

    Returns the plugin and the declaration, by the name that the field `key` holds.
    """
    found: dict[str, tuple[str, D]] = {}
    for plugin, module in manager.list_name_plugin():
        call: Callable[[], object] | None = getattr(module, hook, None)
        if call is None:
            continue
        try:
            for declaration in _listed(call(), kind):
                name: str = getattr(declaration, key)
                first, _ = found.setdefault(name, (plugin, declaration))
                if found[name][1] is not declaration:  # what else it offers is there all the same
                    broken[plugin] = f"{hook}: {name!r} is offered by plugin {first!r} already"
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # one broken plugin must not stop the others
            broken[plugin] = f"{hook}: {told(error)}"
    return found


def _listed(offered: object, kind: type[D]) -> Iterator[D]:
    if not isinstance(offered, Iterable):
        raise PluginError(f"returned {offered!r}", hint=f"Return a list of {kind.__name__}")
    for declaration in offered:
        if not isinstance(declaration, kind):
            raise PluginError(f"returned {declaration!r}, not {kind.__name__}")
        yield declaration


def _existing(text: str) -> Path | None:
    from pathlib import Path  # finding the plugins has imported it

    try:
        path = Path(text).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError) as error:  # no right to look, a name too long, no such user
        raise ModelNotFound(f"cannot look for {text!r}: {error}") from error


def _magic(path: Path) -> str:
    """Return the format that the first bytes of a file tell, or nothing."""
    try:
        with path.open("rb") as file:
            return "gguf" if file.read(4) == b"GGUF" else ""
    except OSError:
        return ""


def _is_word(text: str) -> bool:
    """Whether this can be a name; a single letter is a drive."""
    return len(text) > 1 and text.replace("-", "").replace("_", "").isalnum()
