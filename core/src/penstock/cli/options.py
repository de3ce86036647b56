"""The options that commands share, and how their texts are read."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from penstock import request
from penstock.backend import OptionValue
from penstock.chat.policies import ContextName
from penstock.cli.terminal import readable
from penstock.errors import UsageError

__all__ = [
    "OUTPUT",
    "Choices",
    "Context",
    "Deadlines",
    "Device",
    "Json",
    "JsonLines",
    "JsonRows",
    "MaxTokens",
    "MinP",
    "Options",
    "Plain",
    "Quiet",
    "Regex",
    "Schema",
    "Seed",
    "Stop",
    "System",
    "Target",
    "Temperature",
    "TopK",
    "TopP",
    "argument_or_pipe",
    "argument_text",
    "deadlines_of",
    "file_text",
    "load_options",
]

SAMPLING, LOADING, OUTPUT = "Sampling", "Model", "Output"


def _targets(incomplete: str) -> list[tuple[str, str]]:
    from penstock.cli.targets import targets

    return targets(incomplete)


Target: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="TARGET",
        help="Which model: a name of the configuration, a path, [BACKEND:]SOURCE or a preset.",
        rich_help_panel=LOADING,
        autocompletion=_targets,
    ),
]
Device: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="DEVICE",
        help="Where the engine runs: auto, cpu, cuda:1, …",
        rich_help_panel=LOADING,
    ),
]
Options: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        help="An option of the backend's own. Repeatable.",
        rich_help_panel=LOADING,
    ),
]
Deadlines: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--deadline",
        metavar="NAME=TIME",
        help="How long load, queue, first_token, idle or total may take: seconds, 500ms, 2m. "
        "Repeatable.",
        rich_help_panel=LOADING,
    ),
]
MaxTokens: TypeAlias = Annotated[
    int | None, typer.Option(help="End after so many tokens.", rich_help_panel=SAMPLING)
]
Temperature: TypeAlias = Annotated[
    float | None,
    typer.Option(help="0 always takes the likeliest token.", rich_help_panel=SAMPLING),
]
TopK: TypeAlias = Annotated[
    int | None, typer.Option(help="Keep the K likeliest tokens.", rich_help_panel=SAMPLING)
]
TopP: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="Keep the likeliest tokens up to this probability.", rich_help_panel=SAMPLING
    ),
]
MinP: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="Drop tokens less likely than this share of the likeliest.", rich_help_panel=SAMPLING
    ),
]
Seed: TypeAlias = Annotated[
    int | None,
    typer.Option(help="The same seed gives the same text.", rich_help_panel=SAMPLING),
]
Stop: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT", help="End before this text. Repeatable.", rich_help_panel=SAMPLING
    ),
]
Context: TypeAlias = Annotated[
    ContextName,
    typer.Option(
        help="What to do with a conversation that is too long; what is left out is told.",
        rich_help_panel=SAMPLING,
    ),
]
Schema: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="The answer is JSON that is valid by the JSON schema in FILE.",
        rich_help_panel=SAMPLING,
    ),
]
Regex: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX", help="The answer as a whole matches this.", rich_help_panel=SAMPLING
    ),
]
Choices: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--choice",
        metavar="TEXT",
        help="The answer is one of the choices. Repeatable.",
        rich_help_panel=SAMPLING,
    ),
]
System: TypeAlias = Annotated[
    str | None, typer.Option(metavar="TEXT", help="What the model is told first.")
]
Json: TypeAlias = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object at the end.", rich_help_panel=OUTPUT),
]
JsonRows: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON array.", rich_help_panel=OUTPUT)
]
JsonLines: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--jsonl", help="Print JSON objects, one a line, as they come.", rich_help_panel=OUTPUT
    ),
]
Plain: TypeAlias = Annotated[
    bool,
    typer.Option("--plain", help="No Markdown: show what the model wrote.", rich_help_panel=OUTPUT),
]
Quiet: TypeAlias = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="No progress and no statistics.", rich_help_panel=OUTPUT),
]


def argument_text(argument: str) -> str:
    """Return the text of an argument; `-` stands for what stdin holds, less its last line end."""
    if argument == "-":
        return sys.stdin.read().removesuffix("\n")
    return readable(argument)


def argument_or_pipe(argument: str | None, name: str) -> str:
    """Return the text of an argument; left out, it is what comes through a pipe.

    Raises `UsageError`, naming the argument, where there is none.
    """
    if argument is not None:
        return argument_text(argument)
    text = "" if sys.stdin.isatty() else argument_text("-")
    if not text:
        raise UsageError(f"there is no {name}", hint="Give it as an argument, or through a pipe")
    return text


def file_text(path: str) -> str:
    """Return the text of a file; `-` stands for stdin. Raises `UsageError` if it cannot be read."""
    if path == "-":
        return sys.stdin.read()
    try:
        # As configuration is read: editors on Windows begin a file with a mark.
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path!r} cannot be read: {error}", hint="Name a text file") from error


def deadlines_of(pairs: Iterable[str] | None) -> request.Deadlines:
    """Read `NAME=TIME` pairs. Raises `UsageError` for anything else."""
    found: dict[str, float] = {}
    for pair in pairs or ():
        name, _, text = pair.partition("=")
        try:
            found[name] = _seconds(text.strip())
        except (UsageError, ValueError) as error:
            hint = "It is written NAME=TIME: a number of seconds, or such as 30s, 2m, 500ms, 1h"
            raise UsageError(f"--deadline {pair!r}", hint=hint) from error
    names = [field.name for field in fields(request.Deadlines)]
    if unknown := set(found) - set(names):
        raise UsageError(f"no deadline is named {min(unknown)!r}", hint=f"Name {', '.join(names)}")
    return request.Deadlines(**found)


def _seconds(text: str) -> float:
    from penstock.config.durations import seconds

    return seconds(text) if text[-1:].isalpha() else float(text)


def load_options(pairs: Iterable[str] | None) -> dict[str, OptionValue]:
    """Read `KEY=VALUE` pairs. Raises `UsageError` for anything else."""
    return dict(_pair(pair) for pair in pairs or ())


def _pair(pair: str) -> tuple[str, OptionValue]:
    key, equals, value = pair.partition("=")
    if not key or not equals:
        raise UsageError(f"--option {pair!r}", hint="It is written KEY=VALUE")
    return key, _value(value)


def _value(text: str) -> OptionValue:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
