"""`penstock doctor`: look at everything, and say what is not well."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from itertools import chain

import penstock
from penstock.backend import Finding
from penstock.cli import options
from penstock.cli.records import Record, form_of, show_records
from penstock.cli.status import OK, PLUGINS_WRONG
from penstock.config import Config
from penstock.config.auditing import Auditor
from penstock.config.takes import Takes
from penstock.errors import PenstockError, PluginError
from penstock.plugins import PluginRecord
from penstock.registry import Registry

__all__ = ["doctor"]

HEADS = ["", "Looked at", "Found"]


def doctor(as_json: options.JsonRows = False, as_jsonl: options.JsonLines = False) -> int:
    """Look at Python, plugins and engines; the exit status tells whether all is well."""
    form = form_of(as_json=as_json, as_jsonl=as_jsonl)
    findings: list[Finding] = []
    show_records(_noted(findings), form, HEADS, _row)
    wrong = sum(not finding.ok for finding in findings)
    if form == "text":
        said = f"{wrong} of {len(findings)} are wrong.\n" if wrong else "All is well.\n"
        sys.stdout.write(said)
    return PLUGINS_WRONG if wrong else OK


def _noted(findings: list[Finding]) -> Iterator[Record]:
    """Look, and keep what was found in `findings` too."""
    for finding in chain(_surroundings(), _plugins()):
        findings.append(finding)
        yield {"subject": finding.subject, "found": finding.found, "ok": finding.ok}


def _row(record: Record) -> tuple[str, ...]:
    return "ok" if record["ok"] else "WRONG", record["subject"], record["found"]


def _surroundings() -> Iterator[Finding]:
    yield Finding("penstock", penstock.__version__)
    yield Finding("python", f"{platform.python_version()} ({sys.executable})")
    yield Finding("platform", platform.platform())


def _plugins() -> Iterator[Finding]:
    registry = Registry.installed()
    registry.offers()  # asks for presets too
    yield from map(_recorded, registry.records)
    config = Config.discovered(tolerant=True)
    yield from _configured(config, registry)
    yield _default(config, registry)
    for name in sorted(registry.backends):
        yield from _diagnosed(registry, name)


def _recorded(record: PluginRecord) -> Finding:
    found = f"{record.state}: {record.reason}" if record.reason else record.state
    origin = f"{record.distribution} {record.version}".strip()
    return Finding(f"plugin {record.name}", f"{found} ({origin})", ok=record.state != "broken")


def _configured(config: Config, registry: Registry) -> Iterator[Finding]:
    problems = Auditor(config, registry).problems()
    for problem in problems:
        yield Finding("configuration", str(problem), ok=False)
    if not problems:
        yield Finding("configuration", ", ".join(config.models) or "no models")


def _default(config: Config, registry: Registry) -> Finding:
    try:
        return Finding("default model", config.default or registry.default_target())
    except PenstockError as error:
        return Finding("default model", f"none: {error}")


def _diagnosed(registry: Registry, name: str) -> Iterator[Finding]:
    """Ask a backend; one that cannot answer is wrong, and hurts no other."""
    try:
        findings = [_told(name, found) for found in registry.backend(name).diagnose()]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # any failure is what we look for
        yield Finding(f"backend {name}", f"{type(error).__name__}: {error}", ok=False)
        return
    fault = Takes(registry.backends[name]).fault
    yield Finding(f"backend {name}", str(fault or "can be loaded"), ok=fault is None)
    yield from findings


def _told(name: str, found: Finding) -> Finding:
    if not isinstance(found, Finding):
        raise PluginError(f"diagnose() yielded {found!r}, which is no Finding")
    return Finding(f"{name}: {found.subject}", str(found.found), found.ok)
