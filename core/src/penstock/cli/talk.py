"""A conversation on a terminal: the prompt, what is answered, and what is commanded."""

from __future__ import annotations

import sys

from penstock.cli.conversation import Conversation
from penstock.cli.interrupts import terminated_in_order
from penstock.cli.prompt import Prompt, history_file
from penstock.cli.slash import obey
from penstock.cli.status import INTERRUPTED, OK, report
from penstock.cli.terminal import harmless, has_colours, unechoed
from penstock.errors import PenstockError

__all__ = ["talk"]

GREY, PLAIN = "\x1b[90m", "\x1b[39m"


def talk(conversation: Conversation, *, quiet: bool) -> int:
    """Answer until the user ends it; return the status of the last answer that failed."""
    if not quiet:
        _note(f"{conversation.described()}. /help lists commands; Ctrl-D ends.")
    with terminated_in_order():
        return _until_the_end(conversation, Prompt(history_file()))


def _until_the_end(conversation: Conversation, prompt: Prompt) -> int:
    worst = OK
    while True:
        try:
            said = prompt.ask()
            with unechoed(sys.stdin):
                status = _answered(conversation, said) if said else OK
        except KeyboardInterrupt:  # what was typed, or loaded, is dropped
            continue
        except EOFError:
            return worst
        worst = worst if status in (OK, INTERRUPTED) else status


def _answered(conversation: Conversation, said: str) -> int:
    """Say or do it. Raises `EOFError` at the end."""
    if not said.startswith("/"):
        return conversation.say(said)
    if said.startswith("//"):
        return conversation.say(said.removeprefix("/"))
    try:
        outcome = obey(conversation, said)
    except PenstockError as error:  # a command that cannot be obeyed is no failed answer
        report(error)
        return OK
    if outcome.ends:
        raise EOFError
    if outcome.note:
        _note(outcome.note)
    return OK if outcome.say is None else conversation.say(outcome.say)


def _note(text: str) -> None:
    shown = harmless(text)
    sys.stderr.write(f"{GREY}{shown}{PLAIN}\n" if has_colours(sys.stderr) else f"{shown}\n")
    sys.stderr.flush()
