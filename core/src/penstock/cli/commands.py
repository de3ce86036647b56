"""Which commands there are. Each is imported when it is called; the help takes no import."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from penstock.errors import UsageError
from penstock.nearest import did_you_mean

__all__ = ["COMMANDS", "Commands"]

COMMANDS = {
    "complete": "Continue a text.",
    "chat": "Answer a message, or hold a conversation.",
    "models": "List the models on this machine, or the presets.",
    "pull": "Download a model.",
    "rm": "Delete a model from this machine.",
    "tokens": "Count tokens, and show the pieces.",
    "render": "Show the exact prompt that a conversation becomes.",
    "backends": "List what can load a model here.",
    "config": "Look at the configuration: penstock.toml and its kin.",
    "plugins": "List the plugins, and what they offer.",
    "doctor": "Look at everything, and say what is not well.",
}
"""A line about each. The module of a command has its name, and so has the function in
it; one with several commands has a function `commands` that makes the group."""


class Commands(TyperGroup):
    """The commands of `COMMANDS`, by name."""

    # What typer hands over is of its private copy of click, whose types have no public names.

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS:
            return _imported(cmd_name)
        if ctx.resilient_parsing or cmd_name.startswith("-"):
            return None
        raise UsageError(
            f"there is no command {cmd_name!r}",
            hint=did_you_mean(cmd_name, COMMANDS, "`penstock --help` lists all"),
        )

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _imported(name: str) -> Any:
    module = import_module(f"penstock.cli.{name}")
    if hasattr(module, "commands"):  # it makes a group
        app = module.commands()
    else:
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command()(getattr(module, name))
    command = get_command(app)
    command.name = name
    return command
