"""`penstock doctor`: look at everything, and say what is not well."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator

import penstock
from penstock.backend import Finding
from penstock.cli.status import OK, PLUGINS_WRONG
from penstock.cli.tables import show_table
from penstock.errors import PenstockError
from penstock.plugins import PluginRecord
from penstock.registry import Registry

__all__ = ["doctor"]


def doctor() -> int:
    """Look at Python, the plugins and each backend's engine; the status tells if all is well."""
    findings = [*_surroundings(), *_plugins()]
    rows = [("ok" if f.ok else "WRONG", f.subject, f.found) for f in findings]
    show_table(["", "Looked at", "Found"], rows)
    wrong = sum(not finding.ok for finding in findings)
    sys.stdout.write(f"{wrong} of {len(findings)} are wrong.\n" if wrong else "All is well.\n")
    return PLUGINS_WRONG if wrong else OK


def _surroundings() -> Iterator[Finding]:
    yield Finding("penstock", penstock.__version__)
    yield Finding("python", f"{platform.python_version()} ({sys.executable})")
    yield Finding("platform", platform.platform())


def _plugins() -> Iterator[Finding]:
    registry = Registry.installed()
    yield from map(_recorded, registry.records)
    yield _default(registry)
    for name in sorted(registry.backends):
        yield from _diagnosed(registry, name)


def _recorded(record: PluginRecord) -> Finding:
    found = f"{record.state}: {record.reason}" if record.reason else record.state
    origin = f"{record.distribution} {record.version}".strip()
    return Finding(f"plugin {record.name}", f"{found} ({origin})", ok=record.state != "broken")


def _default(registry: Registry) -> Finding:
    try:
        return Finding("default model", registry.default_target())
    except PenstockError as error:
        return Finding("default model", f"none: {error}")


def _diagnosed(registry: Registry, name: str) -> Iterator[Finding]:
    """Ask a backend; one that cannot answer is wrong, and hurts no other."""
    try:
        findings = list(registry.backend(name).diagnose())
    except Exception as error:  # noqa: BLE001  # any failure is what we look for
        yield Finding(f"backend {name}", f"{type(error).__name__}: {error}", ok=False)
        return
    yield Finding(f"backend {name}", "can be loaded")
    yield from (Finding(f"{name}: {f.subject}", f.found, f.ok) for f in findings)
