"""`penstock backends`: what can load a model here."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.cli import options
from penstock.cli.records import Record, form_of, show_records
from penstock.cli.status import OK
from penstock.registry import Registry

__all__ = ["backends"]

HEADS = ["Backend", "Formats", "Plugin", "State", ""]


def backends(as_json: options.JsonRows = False, as_jsonl: options.JsonLines = False) -> int:
    """List the backends that plugins offer, and the plugins that could not be loaded."""
    form = form_of(as_json=as_json, as_jsonl=as_jsonl)
    registry = Registry.installed()
    show_records([*_offered(registry), *_lost(registry)], form, HEADS, _row)
    return OK


def _offered(registry: Registry) -> Iterator[Record]:
    for name, backend in sorted(registry.backends.items()):
        yield {
            "name": name,
            "formats": list(backend.formats),
            "plugin": registry.origins[name],
            "state": "loaded",
            "summary": backend.summary,
        }


def _lost(registry: Registry) -> Iterator[Record]:
    for record in registry.records:
        if record.state != "loaded":
            yield {
                "name": None,
                "formats": [],
                "plugin": record.name,
                "state": record.state,
                "summary": record.reason,
            }


def _row(record: Record) -> tuple[str, ...]:
    formats = ", ".join(record["formats"]) or ("none" if record["name"] else "-")
    return record["name"] or "-", formats, record["plugin"], record["state"], record["summary"]
