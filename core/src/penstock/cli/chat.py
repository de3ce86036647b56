"""`penstock chat`: one answer, or a conversation."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from penstock import sync
from penstock.cli import options
from penstock.cli.answers import Answers
from penstock.cli.lines import TypedLines, lines_of
from penstock.cli.opening import opened
from penstock.cli.status import INTERRUPTED, OK, report, status_of
from penstock.errors import PenstockError
from penstock.request import Sampling

__all__ = ["chat"]


def chat(
    message: Annotated[
        str | None,
        typer.Argument(
            metavar="[MESSAGE]",
            help="What to say; - reads it from stdin. Left out: a conversation.",
        ),
    ] = None,
    system: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the model is told first.")
    ] = None,
    model: options.Target = None,
    option: options.Options = None,
    device: options.Device = None,
    max_tokens: options.MaxTokens = None,
    temperature: options.Temperature = None,
    top_k: options.TopK = None,
    top_p: options.TopP = None,
    min_p: options.MinP = None,
    seed: options.Seed = None,
    stop: options.Stop = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Answer MESSAGE, or hold a conversation that remembers, a line of stdin at a time.

    Ctrl-C stops an answer and keeps what came of it; /exit or the end of the input ends the
    conversation.
    """
    sampling = Sampling(
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        seed=seed,
        stop=tuple(stop) if stop else None,
    )
    said = None if message is None else options.argument_text(message)
    with opened(model, device=device, options=option, sampling=sampling, quiet=quiet) as ready:
        answers = Answers(ready.info, as_json=as_json, quiet=quiet)
        session = ready.session(system, keep_partial=True)
        if said is not None:
            return answers.show(session.send(said))
        return _converse(session, answers, _lines(ready, quiet=quiet))


def _converse(session: sync.Chat, answers: Answers, lines: TypedLines) -> int:
    """Answer line after line; return the status of the last answer that failed."""
    worst = OK
    for line in lines:
        try:
            status = answers.show(session.send(line))
        except PenstockError as error:
            report(error)
            status = status_of(error)
        worst = worst if status in (OK, INTERRUPTED) else status
    return worst


def _lines(model: sync.Model, *, quiet: bool) -> TypedLines:
    if sys.stdin.isatty() and not quiet:
        sys.stderr.write(
            f"{model.info.name}, by {model.info.backend} on {model.info.device}. "
            "Ctrl-C stops an answer; /exit or Ctrl-D ends.\n"
        )
    return lines_of(sys.stdin, sys.stdout)
