"""Names that a model can be loaded by, to complete what somebody types."""

from __future__ import annotations

from penstock.errors import PenstockError
from penstock.registry import Registry

__all__ = ["targets"]


def targets(incomplete: str) -> list[tuple[str, str]]:
    """Return the names that begin with `incomplete`, each with a line about it.

    Models of the configuration, presets, sources and backends; behind a backend's name, presets and
    sources again.
    """
    registry = Registry.installed()
    backend, colon, _ = incomplete.partition(":")
    head = f"{backend}:" if colon and backend in registry.backends else ""
    found = [(head + name, about) for name, about in _offered(registry)]
    if not head:
        found += [(f"{backend.name}:", backend.summary) for backend in registry.backends.values()]
        found += _configured()
    return sorted((name, about) for name, about in found if name.startswith(incomplete))


def _offered(registry: Registry) -> list[tuple[str, str]]:
    presets = [(preset.name, preset.summary) for preset in registry.presets.values()]
    return presets + [(f"{s.scheme}:", s.summary) for s in registry.sources.values()]


def _configured() -> list[tuple[str, str]]:
    from penstock.config import Config

    try:
        config = Config.discovered(tolerant=True)
    except PenstockError:  # who loads is told
        return []
    found = [(name, "a model of the configuration") for name in config.models]
    found += [(alias, f"is {name}") for alias, name in config.aliases.items()]
    return found + [(preset.name, preset.summary) for preset in config.presets]
