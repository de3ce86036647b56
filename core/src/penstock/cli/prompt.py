"""Asks for what the user says: with history, several lines, and completion of commands."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.shortcuts import CompleteStyle

from penstock.cli.slash import COMMANDS
from penstock.cli.targets import targets
from penstock.cli.terminal import readable

__all__ = ["Prompt", "history_file"]

SIGN = FormattedText([("bold ansigreen", "> ")])
BLOCK = '"""'
"""Opens and closes a text of several lines."""
OWNER_ONLY = 0o600


class Prompt:
    """The prompt of a conversation. What is said is kept in the file `kept`, if it can be."""

    def __init__(self, kept: Path) -> None:
        self._session: PromptSession[str] = PromptSession(
            SIGN,
            multiline=True,
            prompt_continuation="  ",
            history=_history(kept),
            completer=_Commands(),
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            enable_suspend=True,
            key_bindings=_keys(),
        )

    def ask(self) -> str:
        """Return what was typed, less the marks of a block.

        Raises `KeyboardInterrupt` for Ctrl-C and `EOFError` for Ctrl-D.
        """
        text = readable(self._session.prompt())
        if text.startswith(BLOCK):
            return text.removeprefix(BLOCK).strip().removesuffix(BLOCK).strip()
        return text.strip()


def history_file() -> Path:
    """Return where what is typed is kept: in the folder for the state of programs."""
    from platformdirs import user_state_path

    return user_state_path("penstock", appauthor=False) / "chat_history"


def _history(path: Path) -> History:
    """Return the history in a file that its owner alone can read, or else in memory."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY))
    except OSError:
        return InMemoryHistory()
    return _KeptHistory(path)


class _KeptHistory(FileHistory):
    """A history whose file may become unwritable at any time: the rest is kept in memory."""

    def store_string(self, string: str) -> None:
        with suppress(OSError):  # a full disk must not keep anybody from talking
            super().store_string(string)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def enter(event: KeyPressEvent) -> None:
        text = event.current_buffer.text.strip()
        if text.startswith(BLOCK) and not (text.endswith(BLOCK) and len(text) >= 2 * len(BLOCK)):
            event.current_buffer.newline()
        else:
            event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def another_line(event: KeyPressEvent) -> None:
        event.current_buffer.newline()

    return keys


class _Commands(Completer):
    """Completes commands, names of models behind `/model`, and files."""

    def __init__(self) -> None:
        self._files = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        text = document.text
        if not text.startswith("/") or "\n" in text:
            return
        name, space, rest = text.partition(" ")
        if not space:
            yield from _beginning(name, [(command, "") for command in COMMANDS])
        elif name == "/model":
            yield from _beginning(rest, targets(rest))
        elif name in ("/save", "/load"):
            yield from self._files.get_completions(Document(rest), event)


def _beginning(typed: str, names: Iterable[tuple[str, str]]) -> Iterable[Completion]:
    for name, about in names:
        if name.startswith(typed):
            yield Completion(name, start_position=-len(typed), display_meta=about)
