"""`penstock backends`: what can load a model here."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.cli.status import OK
from penstock.cli.tables import show_table
from penstock.registry import Registry

__all__ = ["backends"]


def backends() -> int:
    """List the backends that plugins offer, and the plugins that could not be loaded."""
    registry = Registry.installed()
    show_table(
        ["Backend", "Formats", "Plugin", "State", ""], [*_offered(registry), *_lost(registry)]
    )
    return OK


def _offered(registry: Registry) -> Iterator[tuple[str, ...]]:
    for name, backend in sorted(registry.backends.items()):
        formats = ", ".join(backend.formats) or "any"
        yield name, formats, registry.origins[name], "loaded", backend.summary


def _lost(registry: Registry) -> Iterator[tuple[str, ...]]:
    for record in registry.records:
        if record.state != "loaded":
            yield "-", "-", record.name, record.state, record.reason
