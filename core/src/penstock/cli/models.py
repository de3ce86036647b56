"""`penstock models`: what is on this machine, and what has a short name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from penstock.cli import options
from penstock.cli.metadata import Weights, weights_of
from penstock.cli.records import Record, form_of, show_records
from penstock.cli.status import OK, report
from penstock.config import Config
from penstock.errors import PenstockError
from penstock.registry import Registry
from penstock.sizes import human
from penstock.sources import StoredModel

__all__ = ["models"]

HEADS = ["Model", "Size", "Quantisation", "Context", "Backends"]
PRESET_HEADS = ["Preset", "Stands for", ""]


def models(
    presets: Annotated[
        bool, typer.Option("--presets", help="List the short names that may be loaded.")
    ] = False,
    as_json: options.JsonRows = False,
    as_jsonl: options.JsonLines = False,
) -> int:
    """List the models on this machine, or the presets, which need not be here."""
    form = form_of(as_json=as_json, as_jsonl=as_jsonl)
    registry = Registry.installed()
    if presets:
        registry = registry.with_presets(Config.discovered().presets)
        show_records(_presets(registry), form, PRESET_HEADS, lambda record: tuple(record.values()))
    else:
        show_records(_here(registry), form, HEADS, _row)
    return OK


def _presets(registry: Registry) -> Iterator[Record]:
    for preset in registry.presets.values():
        yield {"name": preset.name, "target": preset.target, "summary": preset.summary}


def _here(registry: Registry) -> Iterator[Record]:
    """Describe what each source has; one that fails is told, and hides no other."""
    for scheme in sorted(registry.sources):
        try:
            found = registry.source(scheme).stored()
        except PenstockError as error:
            report(error)
            continue
        for model in found:
            yield _record(model, weights_of(model.path), registry.backends_for(model.path))


def _record(model: StoredModel, weights: Weights, backends: list[str]) -> Record:
    return {
        "name": model.source,
        "path": str(model.path),
        "size": model.size,
        "quantisation": weights.quantisation,
        "context_length": weights.context_length,
        "backends": backends,
    }


def _row(record: Record) -> tuple[str, ...]:
    context = record["context_length"]
    return (
        record["name"],
        human(record["size"]),
        record["quantisation"] or "?",
        "?" if context is None else str(context),
        ", ".join(record["backends"]) or "none",
    )
