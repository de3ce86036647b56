"""`penstock rm`: delete a model from this machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from penstock.cli import options
from penstock.cli.records import Record, form_of, show_lines
from penstock.cli.status import INTERRUPTED, OK
from penstock.errors import ModelNotFound, UsageError
from penstock.registry import Registry
from penstock.sizes import human
from penstock.sources import Source, StoredModel

__all__ = ["rm"]


def rm(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What `penstock models` lists, or a preset.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: options.JsonRows = False,
    as_jsonl: options.JsonLines = False,
) -> int:
    """Delete the model NAME from this machine, after asking."""
    form = form_of(as_json=as_json, as_jsonl=as_jsonl)
    registry = Registry.installed()
    target = registry.parse(name)
    if target.scheme is None:
        raise UsageError(f"{name!r} is no model of a source", hint="Delete a file with `rm` itself")
    source = registry.source(target.scheme)
    found = source.stored(target.rest)
    if not found:
        raise ModelNotFound(f"{name!r} is not here", hint="`penstock models` lists what is")
    for model in found:
        source.assert_removes(model)
    if not (yes or _agreed(found)):
        sys.stderr.write("Nothing was deleted.\n")
        return INTERRUPTED
    show_lines((_removed(source, model) for model in found), form, _line)
    return OK


def _removed(source: Source, model: StoredModel) -> Record:
    source.remove(model)
    return {"name": model.source, "path": str(model.path), "size": model.size}


def _line(record: Record) -> str:
    return f"deleted {record['name']} ({human(record['size'])})"


def _agreed(found: Sequence[StoredModel]) -> bool:
    for model in found:
        sys.stderr.write(f"{model.source}: {human(model.size)} in {model.path}\n")
    sys.stderr.write("Delete it? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
