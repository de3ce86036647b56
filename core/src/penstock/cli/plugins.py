"""`penstock plugins`: every plugin, how loading it went, and what it offers."""

from __future__ import annotations

from penstock.cli import options
from penstock.cli.records import Record, form_of, show_records
from penstock.cli.status import OK
from penstock.plugins import PluginRecord
from penstock.registry import Registry

__all__ = ["plugins"]

HEADS = ["Plugin", "Distribution", "Version", "State", "Offers"]


def plugins(as_json: options.JsonRows = False, as_jsonl: options.JsonLines = False) -> int:
    """List every installed plugin: where it comes from, its state and why, and what it offers."""
    form = form_of(as_json=as_json, as_jsonl=as_jsonl)
    registry = Registry.installed()
    offers = registry.offers()
    records = [_record(record, offers.get(record.name, ())) for record in registry.records]
    show_records(records, form, HEADS, _row)
    return OK


def _record(plugin: PluginRecord, offers: tuple[str, ...]) -> Record:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "state": plugin.state,
        "reason": plugin.reason,
        "offers": list(offers),
    }


def _row(record: Record) -> tuple[str, ...]:
    said = record["reason"] or ", ".join(record["offers"]) or "nothing"
    return record["name"], record["distribution"], record["version"], record["state"], said
