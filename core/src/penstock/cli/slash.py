"""What may be commanded in a conversation: `/model`, `/undo`, `/save` and the rest."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable

from penstock.cli.conversation import Conversation
from penstock.cli.options import load_options
from penstock.errors import UsageError
from penstock.nearest import did_you_mean
from penstock.values import dataclass

__all__ = ["COMMANDS", "Command", "Outcome", "obey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What comes of a command: a note to show, something to say to the model, or the end."""

    note: str = ""
    say: str | None = None
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A command: what may stand behind its name, what it does, and how it is done."""

    arguments: str
    summary: str
    run: Callable[[Conversation, str], Outcome]


def obey(conversation: Conversation, line: str) -> Outcome:
    """Do what a line that begins with a slash commands.

    Raises `UsageError` for what is no command, with the nearest, and what the command raises.
    """
    name, _, rest = line.strip().partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        hint = did_you_mean(name, COMMANDS, "/help lists all")
        raise UsageError(f"there is no command {name!r}", hint=f"{hint} // begins a text with /")
    return command.run(conversation, rest.strip())


def _model(conversation: Conversation, rest: str) -> Outcome:
    if rest:
        target, *options = _words(rest)
        conversation.switch(target, load_options(options))
    return Outcome(note=conversation.described())


def _system(conversation: Conversation, rest: str) -> Outcome:
    if rest:
        conversation.chat.system = rest
    return Outcome(note=conversation.chat.system or "no system text; /system TEXT sets one")


def _undo(conversation: Conversation, rest: str) -> Outcome:
    if rest and not rest.isdecimal():
        raise UsageError(f"/undo {rest}", hint="Give a number of turns, or nothing for one")
    taken = [m.content for m in conversation.undo(int(rest or 1)) if m.role == "user"]
    return Outcome(note=f"taken back: {', '.join(map(repr, taken))}")


def _retry(conversation: Conversation, rest: str) -> Outcome:
    _assert_alone("/retry", rest)
    return Outcome(say=conversation.to_retry())


def _save(conversation: Conversation, rest: str) -> Outcome:
    path = _file("/save", rest)
    conversation.chat.save(path)
    return Outcome(note=f"saved {len(conversation.chat.history)} messages to {path}")


def _load(conversation: Conversation, rest: str) -> Outcome:
    path = _file("/load", rest)
    conversation.load(path)
    return Outcome(note=f"loaded {len(conversation.chat.history)} messages from {path}")


def _stats(conversation: Conversation, rest: str) -> Outcome:
    _assert_alone("/stats", rest)
    return Outcome(note=_columns(conversation.stats()))


def _help(conversation: Conversation, rest: str) -> Outcome:
    del conversation, rest
    rows = [(f"{name} {c.arguments}".strip(), c.summary) for name, c in COMMANDS.items()]
    keys = [
        ("Alt-Enter", 'begin another line; or write between lines of """'),
        ("Up, Down", "what was typed before"),
        ("Ctrl-C", "stop an answer and keep what came; drop what is typed"),
        ("Ctrl-D", "end"),
    ]
    return Outcome(note=_columns([*rows, *keys]))


def _exit(conversation: Conversation, rest: str) -> Outcome:
    del conversation
    _assert_alone("/exit", rest)
    return Outcome(ends=True)


COMMANDS = {
    "/model": Command("[TARGET]", "show the model, or go on with another one", _model),
    "/system": Command("[TEXT]", "show or change what the model is told first", _system),
    "/undo": Command("[TURNS]", "take the last turn back, or several", _undo),
    "/retry": Command("", "ask the last question again", _retry),
    "/save": Command("FILE", "write the conversation to a file", _save),
    "/load": Command("FILE", "go on with a conversation from a file", _load),
    "/stats": Command("", "figures about the model and its answers", _stats),
    "/help": Command("", "list the commands and keys", _help),
    "/exit": Command("", "end", _exit),
}


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{text!r} cannot be read: {error}", hint="Close the quotes") from error


def _file(name: str, rest: str) -> str:
    if not rest:
        raise UsageError(f"{name} needs a file", hint=f"Write {name} FILE")
    return os.path.expanduser(rest)  # noqa: PTH111  # it is a text up to the end


def _assert_alone(name: str, rest: str) -> None:
    if rest:
        raise UsageError(f"{name} takes nothing, and got {rest!r}", hint=f"Write {name} alone")


def _columns(rows: list[tuple[str, str]]) -> str:
    width = max(len(first) for first, _ in rows)
    return "\n".join(f"{first:<{width}}  {second}" for first, second in rows)
