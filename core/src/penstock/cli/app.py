"""The commands together, and what becomes of whatever goes wrong in one."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

import penstock
from penstock.cli.commands import Commands
from penstock.cli.status import INTERRUPTED, OK, PIPE_CLOSED, UNWRITABLE, report, status_of
from penstock.errors import PenstockError

__all__ = ["run"]

_with_place = warnings.formatwarning


def run() -> int:
    """Run a command; return its status. Only bugs come out as exceptions."""
    _open_closed_streams()
    _accept_any_text()
    warnings.formatwarning = _formatted
    try:
        return _reported()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # as in `| head`
        return _unread()
    except OSError as error:
        with suppress(OSError):  # it may be stderr that is full
            report(error)
        _forget_output()
        return UNWRITABLE


def _reported() -> int:
    """Run a command; say what goes wrong in it. Raises `OSError` where nothing can be said."""
    try:
        status = _invoked()
        sys.stdout.flush()
    except typer.TyperException as error:
        if said := error.format_message():  # without a command, a group has shown its help
            report(said)
        return error.exit_code
    except PenstockError as error:
        report(error)
        return status_of(error)
    except SystemExit as ended:  # typer makes one of what it has shown, and of a closed pipe
        return _unread() if ended.code else OK
    return status


def _invoked() -> int:
    app = typer.Typer(
        name="penstock",
        cls=Commands,
        help="One protocol over every LLM engine.",
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # rich takes longer to import than all the rest
        epilog="`penstock COMMAND --help` shows the options of a command.",
    )
    app.callback()(_common)
    status: int | None = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    return status or OK


def _show_version(wanted: bool) -> None:  # as typer calls it
    if wanted:
        sys.stdout.write(f"penstock {penstock.__version__}\n")
        raise typer.Exit


def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and leave."
        ),
    ] = False,
) -> None:
    del version  # dealt with before any command runs


def _open_closed_streams() -> None:
    """Give a process that was started without stdin, stdout or stderr (`>&-`) an empty one."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  # to the end
            setattr(sys, name, stream)


def _accept_any_text() -> None:
    """Show a replacement for what a terminal cannot show, and read one for what is no text."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _formatted(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Return a warning for people as errors are told; of others, which tell of bugs, the place."""
    if category is UserWarning:
        return f"warning: {' '.join(str(message).split())}\n"
    return _with_place(message, category, filename, lineno, line)


def _unread() -> int:
    _forget_output()
    return PIPE_CLOSED


def _forget_output() -> None:
    """Let what is still buffered go nowhere, so that the interpreter ends in peace."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
