"""`penstock config`: what the configuration says, where it says it, and whether it is right."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from penstock.cli import options
from penstock.cli.records import Form, Record, form_of, portable, write_json
from penstock.cli.status import CONFIG_WRONG, OK
from penstock.errors import ConfigError

if TYPE_CHECKING:
    from penstock.config import Config
    from penstock.config.auditing import Auditor
    from penstock.problem import Problem

__all__ = ["check", "commands", "explain", "path", "schema", "show"]

File: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Read this file instead of those found."),
]
Set: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Put this over everything. Repeatable."),
]
Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON.", rich_help_panel=options.OUTPUT)
]


def commands() -> typer.Typer:
    """Return the group of commands."""
    group = typer.Typer(
        help="Look at the configuration: penstock.toml, its kin, and the variables PENSTOCK_….",
        no_args_is_help=True,
        add_completion=False,
    )
    for command in (check, show, explain, path, schema):
        group.command()(command)
    return group


def check(
    file: File = None,
    pairs: Set = None,
    as_json: Json = False,
    as_jsonl: options.JsonLines = False,
) -> int:
    """Look for all that is wrong; warn of open secrets, missing files and misspelled variables.

    Backends and their options are checked without loading an engine.
    """
    from penstock.config.environment import overlooked
    from penstock.config.exposure import exposed

    form = form_of(as_json=as_json, as_jsonl=as_jsonl)
    config, auditor = _looked_at(file, pairs, tolerant=True)
    problems = auditor.problems()
    warnings = [*overlooked(os.environ), *exposed(config, auditor), *auditor.absent()]
    if form != "text":
        _print_check(form, list(map(_record, problems)), list(map(_record, warnings)))
        return CONFIG_WRONG if problems else OK
    for warning in warnings:
        sys.stderr.write(f"warning: {warning}\n")
    if problems:
        raise ConfigError(problems)
    sys.stdout.write(f"{_summary(config)}\n")
    return OK


def show(
    file: File = None,
    pairs: Set = None,
    origin: Annotated[
        bool, typer.Option("--origin", help="Say where each value comes from.")
    ] = False,
    as_json: Json = False,
    as_jsonl: options.JsonLines = False,
) -> int:
    """Print what all places say together, as TOML. Secrets are never shown."""
    from penstock.config.listing import as_toml, as_tree

    form = form_of(as_json=as_json, as_jsonl=as_jsonl)
    config, auditor = _looked_at(file, pairs)
    if form != "text":
        _print(form, as_tree(config, auditor, origins=origin))
    else:
        sys.stdout.writelines(f"{line}\n" for line in as_toml(config, auditor, origins=origin))
    return OK


def explain(
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="A dotted key, such as models.local.device.")
    ],
    file: File = None,
    pairs: Set = None,
    as_json: Json = False,
    as_jsonl: options.JsonLines = False,
) -> int:
    """Say which file, variable or flag sets KEY, and what it overrides.

    Of a model, what it takes from another or from all models is explained too.
    """
    from penstock.config.explaining import explained

    form = form_of(as_json=as_json, as_jsonl=as_jsonl)
    config, auditor = _looked_at(file, pairs)
    told = explained(config, auditor, key)
    if form != "text":
        _print(form, [asdict(one) for one in told])
    else:
        sys.stdout.writelines(f"{line}\n" for one in told for line in one.lines())
    return OK


def path(as_json: Json = False, as_jsonl: options.JsonLines = False) -> int:
    """Print the files that are read, those first that win over the others."""
    from penstock.config.discovery import places

    form = form_of(as_json=as_json, as_jsonl=as_jsonl)
    found = list(reversed(places()))
    if form != "text":
        _print(form, [{"kind": p.kind, "path": str(p.path), "found": p.found} for p in found])
        return OK
    read = [one for one in found if one.found]
    sys.stdout.writelines(f"{one.path}\n" for one in read)
    if not read:
        user = found[-1].path
        sys.stderr.write(f"No penstock.toml from here upwards, and no {user}\n")
    return OK


def schema(as_json: Json = False, as_jsonl: options.JsonLines = False) -> int:
    """Print the JSON schema of penstock.toml, with the options of the installed backends.

    It is JSON anyway; with --jsonl, all of it is on one line.
    """
    from penstock.config.editors import json_schema
    from penstock.registry import Registry

    form = form_of(as_json=as_json, as_jsonl=as_jsonl)
    _print("json" if form == "text" else form, json_schema(Registry.installed()))
    return OK


def _looked_at(
    file: Path | None, pairs: list[str] | None, *, tolerant: bool = False
) -> tuple[Config, Auditor]:
    from penstock.config import Config
    from penstock.config.auditing import Auditor
    from penstock.registry import Registry

    if file is None:
        config = Config.discovered(flags=pairs or (), tolerant=tolerant)
    else:
        config = Config.read(file, flags=pairs or (), tolerant=tolerant)
    return config, Auditor(config, Registry.installed())


def _summary(config: Config) -> str:
    count = len(config.models)
    models = f"{count} model{'' if count == 1 else 's'}"
    files = dict.fromkeys(_files(config))
    return f"{', '.join(files) or 'nothing is configured'}: all is well, {models}"


def _files(config: Config) -> Iterator[str]:
    for layer in config.layers:
        for setting in layer.settings.values():
            yield setting.origin.where


def _record(problem: Problem) -> dict[str, Any]:
    return {**asdict(problem), "text": str(problem)}


def _print_check(form: Form, problems: list[Record], warnings: list[Record]) -> None:
    if form == "json":
        _print(form, {"ok": not problems, "problems": problems, "warnings": warnings})
        return
    _print(form, [{"level": "problem", **problem} for problem in problems])
    _print(form, [{"level": "warning", **warning} for warning in warnings])


def _print(form: Form, value: object) -> None:
    """Print JSON for people and programs, or a line for each element of a list."""
    if form == "jsonl":
        for one in value if isinstance(value, list) else [value]:
            write_json(one)
        return
    sys.stdout.write(portable(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")
