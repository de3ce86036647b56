"""`penstock tokens`: how many tokens a text has, and which."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from penstock import sync
from penstock.cli import options
from penstock.cli.opening import Opening
from penstock.cli.pieces import TokenPiece, pieces_of
from penstock.cli.records import Form, form_of, write_json
from penstock.cli.status import OK
from penstock.cli.tables import show_table
from penstock.messages import Message, PromptLike

__all__ = ["tokens"]


def tokens(
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT", help="The text; - reads it from stdin. Left out: stdin, from a pipe."
        ),
    ] = None,
    pieces: Annotated[bool, typer.Option("--pieces", help="Show each token.")] = False,
    as_chat: Annotated[
        bool, typer.Option("--chat", help="Count it as a message of a chat, with its template.")
    ] = False,
    model: options.Target = None,
    option: options.Options = None,
    device: options.Device = None,
    as_json: options.Json = False,
    as_jsonl: options.JsonLines = False,
    quiet: options.Quiet = False,
) -> int:
    """Count the tokens of TEXT as the model evaluates it, the one that begins a text included."""
    form = form_of(as_json=as_json, as_jsonl=as_jsonl)
    said = options.argument_or_pipe(text, "TEXT")
    opening = Opening(device=device, options=options.load_options(option), quiet=quiet)
    with opening.opened(model) as ready:
        prompt: PromptLike = ready.render([Message("user", said)]) if as_chat else said
        found = _found(ready, prompt, pieces=pieces or form == "jsonl")
    _show(found, form, pieces=pieces)
    return OK


def _found(model: sync.Model, prompt: PromptLike, *, pieces: bool) -> list[TokenPiece]:
    ids = model.tokenize(prompt)
    return pieces_of(model, ids) if pieces else [TokenPiece(token) for token in ids]


def _show(found: Sequence[TokenPiece], form: Form, *, pieces: bool) -> None:
    records = [piece.record() for piece in found]
    if form == "jsonl":
        for record in records:
            write_json(record)
    elif form == "json":
        whole = {"count": len(found), "ids": [piece.id for piece in found]}
        write_json(whole | ({"pieces": records} if pieces else {}))
    elif pieces:
        show_table(["Id", "Piece"], [(str(piece.id), piece.shown()) for piece in found])
    else:
        sys.stdout.write(f"{len(found)}\n")
