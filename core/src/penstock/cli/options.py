"""The options that commands share, and how their texts are read."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, TypeAlias

import typer

from penstock.backend import OptionValue
from penstock.errors import UsageError

__all__ = [
    "Device",
    "Json",
    "MaxTokens",
    "MinP",
    "Options",
    "Quiet",
    "Seed",
    "Stop",
    "Target",
    "Temperature",
    "TopK",
    "TopP",
    "argument_text",
    "load_options",
]

SAMPLING, LOADING, OUTPUT = "Sampling", "Model", "Output"

Target: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="TARGET",
        help="Which model: a name of the configuration, a path, [BACKEND:]SOURCE or a preset.",
        rich_help_panel=LOADING,
    ),
]
Device: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="DEVICE", help="Where the engine runs.", rich_help_panel=LOADING),
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
Json: TypeAlias = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object at the end.", rich_help_panel=OUTPUT),
]
Quiet: TypeAlias = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="No progress and no statistics.", rich_help_panel=OUTPUT),
]


def argument_text(argument: str) -> str:
    """Return the text of an argument; `-` stands for what stdin holds, less its last line end."""
    if argument == "-":
        return sys.stdin.read().removesuffix("\n")
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


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
