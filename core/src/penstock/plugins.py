"""Discovery: every installed plugin, loaded on its own, with what went wrong kept beside it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from penstock.errors import PenstockError
from penstock.values import dataclass

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    import pluggy

__all__ = ["ALLOW", "DENY", "PluginRecord", "discover", "told"]

GROUP = "penstock"
ALLOW = "PENSTOCK_PLUGINS"
DENY = "PENSTOCK_DISABLE_PLUGINS"


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """An installed plugin: its name, where it comes from, and how loading it went."""

    name: str
    distribution: str
    version: str
    state: str
    """`loaded`, `disabled` or `broken`."""
    reason: str = ""


def discover(
    entries: Iterable[EntryPoint] | None = None, environ: Mapping[str, str] = os.environ
) -> tuple[pluggy.PluginManager, tuple[PluginRecord, ...]]:
    """Load the plugins; return their manager and a record of each, sorted by name.

    `PENSTOCK_PLUGINS` names the only ones to load, `PENSTOCK_DISABLE_PLUGINS` those not to; both
    are comma-separated and act before anything is imported. A plugin that fails is recorded as
    broken and hurts no other. Two plugins of one name are both broken.
    """
    import pluggy  # with the metadata: plugins are looked for once, and not at once

    from penstock import hookspecs

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    found = sorted(_installed() if entries is None else entries, key=_name)
    names = [entry.name for entry in found]
    records = [
        _record(entry, *_load(manager, entry, names.count(entry.name) > 1, environ))
        for entry in found
    ]
    return manager, tuple(records)


def told(error: BaseException) -> str:
    """Return what a plugin failed with, as the reason of its record."""
    return str(error) if isinstance(error, PenstockError) else f"{type(error).__name__}: {error}"


def _installed() -> Iterable[EntryPoint]:
    from importlib.metadata import entry_points  # 20 ms that `import penstock` need not pay

    return entry_points(group=GROUP)


def _name(entry: EntryPoint) -> str:
    return entry.name


def _load(
    manager: pluggy.PluginManager, entry: EntryPoint, shared: bool, environ: Mapping[str, str]
) -> tuple[str, str]:
    reason = _disabled(entry.name, environ)
    if reason:
        return "disabled", reason
    if shared:
        hint = "Uninstall all of them but one"
        return "broken", f"several distributions offer a plugin named {entry.name!r}. {hint}"
    try:
        module = entry.load()
        twin = manager.get_name(module)
        if twin is not None:
            return "broken", f"{entry.value!r} is plugin {twin!r} already"
        manager.register(module, name=entry.name)
        manager.check_pending()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # one must not stop the others
        if manager.has_plugin(entry.name):
            manager.unregister(name=entry.name)
        return "broken", told(error)
    return "loaded", ""


def _disabled(name: str, environ: Mapping[str, str]) -> str:
    allowed = environ.get(ALLOW)
    if allowed is not None and name not in _names(allowed):
        return f"not in {ALLOW}"
    return f"in {DENY}" if name in _names(environ.get(DENY, "")) else ""


def _names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",")} - {""}


def _record(entry: EntryPoint, state: str, reason: str) -> PluginRecord:
    dist = entry.dist
    name, version = (dist.name, dist.version) if dist is not None else ("", "")
    return PluginRecord(entry.name, name, version, state, reason)
