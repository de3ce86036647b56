"""`penstock chat`: one answer, or a conversation."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from penstock.cli import options
from penstock.cli.answers import Answers
from penstock.cli.conversation import Conversation
from penstock.cli.lines import TypedLines, lines_of
from penstock.cli.opening import Opening
from penstock.cli.records import form_of
from penstock.cli.status import INTERRUPTED, OK
from penstock.cli.terminal import is_screen
from penstock.request import Sampling

__all__ = ["chat"]


def chat(
    message: Annotated[
        str | None,
        typer.Argument(
            metavar="MESSAGE",
            help="What to say; - reads it from stdin. Left out: a conversation.",
        ),
    ] = None,
    system: options.System = None,
    model: options.Target = None,
    option: options.Options = None,
    device: options.Device = None,
    deadline: options.Deadlines = None,
    max_tokens: options.MaxTokens = None,
    temperature: options.Temperature = None,
    top_k: options.TopK = None,
    top_p: options.TopP = None,
    min_p: options.MinP = None,
    seed: options.Seed = None,
    stop: options.Stop = None,
    schema: options.Schema = None,
    regex: options.Regex = None,
    choice: options.Choices = None,
    context: options.Context = "drop_oldest",
    plain: options.Plain = False,
    as_json: options.Json = False,
    as_jsonl: options.JsonLines = False,
    quiet: options.Quiet = False,
) -> int:
    """Answer MESSAGE, or hold a conversation that remembers.

    On a terminal, Markdown is rendered as it comes, and /help lists what else there is. From a
    pipe, a line is a message. Ctrl-C stops an answer and keeps what came of it; /exit or the end of
    the input ends the conversation.
    """
    form = form_of(as_json=as_json, as_jsonl=as_jsonl)
    sampling = Sampling(
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        seed=seed,
        stop=tuple(stop) if stop else None,
        schema=None if schema is None else options.file_text(schema),
        regex=regex,
        choices=tuple(choice) if choice else None,
    )
    opening = Opening(
        device=device,
        options=options.load_options(option),
        sampling=sampling,
        deadlines=options.deadlines_of(deadline),
        quiet=quiet,
    )
    said = None if message is None else options.argument_text(message)
    answers = Answers(form=form, quiet=quiet, markdown=not plain)
    with Conversation(opening, answers, model, system, context) as conversation:
        if said is not None:
            return conversation.say(said)
        if form == "text" and is_screen(sys.stdin) and is_screen(sys.stdout):
            from penstock.cli.talk import talk  # and prompt_toolkit with it

            return talk(conversation, quiet=quiet)
        return _line_by_line(conversation, lines_of(sys.stdin, sys.stdout))


def _line_by_line(conversation: Conversation, lines: TypedLines) -> int:
    """Answer line after line; return the status of the last answer that failed."""
    worst = OK
    for line in lines:
        status = conversation.say(line)
        worst = worst if status in (OK, INTERRUPTED) else status
    return worst
