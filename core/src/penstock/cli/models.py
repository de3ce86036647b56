"""`penstock models`: what is on this machine, and what has a short name."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from penstock.cli.metadata import Weights, weights_of
from penstock.cli.status import OK, report
from penstock.cli.tables import show_table
from penstock.errors import PenstockError
from penstock.registry import Registry
from penstock.sizes import human
from penstock.sources import StoredModel

__all__ = ["models"]

HEADS = ["Model", "Size", "Quantisation", "Context", "Backends"]


def models(
    presets: Annotated[
        bool, typer.Option("--presets", help="List the short names that may be loaded.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line instead of a table.")
    ] = False,
) -> int:
    """List the models on this machine, or the presets, which need not be here."""
    registry = Registry.installed()
    records = list(_presets(registry) if presets else _here(registry))
    if as_json:
        sys.stdout.writelines(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)
    elif presets:
        show_table(["Preset", "Stands for", ""], [tuple(record.values()) for record in records])
    else:
        show_table(HEADS, map(_row, records))
    return OK


def _presets(registry: Registry) -> Iterator[dict[str, Any]]:
    for preset in registry.presets.values():
        yield {"name": preset.name, "target": preset.target, "summary": preset.summary}


def _here(registry: Registry) -> Iterator[dict[str, Any]]:
    """Describe what each source has; one that fails is told, and hides no other."""
    for scheme in sorted(registry.sources):
        try:
            found = registry.source(scheme).stored()
        except PenstockError as error:
            report(error)
            continue
        for model in found:
            yield _record(model, weights_of(model.path), registry.backends_for(model.path))


def _record(model: StoredModel, weights: Weights, backends: list[str]) -> dict[str, Any]:
    return {
        "name": model.source,
        "path": str(model.path),
        "size": model.size,
        "quantisation": weights.quantisation,
        "context_length": weights.context_length,
        "backends": backends,
    }


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    context = record["context_length"]
    return (
        record["name"],
        human(record["size"]),
        record["quantisation"] or "?",
        "?" if context is None else str(context),
        ", ".join(record["backends"]) or "none",
    )
