"""`penstock complete`: continue a text."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli import options
from penstock.cli.answers import Answers
from penstock.cli.opening import Opening
from penstock.cli.records import form_of
from penstock.request import Sampling

__all__ = ["complete"]


def complete(
    prompt: Annotated[
        str | None,
        typer.Argument(
            metavar="PROMPT",
            help="The text to continue; - reads it from stdin. Left out: stdin, from a pipe.",
        ),
    ] = None,
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
    as_json: options.Json = False,
    as_jsonl: options.JsonLines = False,
    quiet: options.Quiet = False,
) -> int:
    """Continue PROMPT, streaming the text to stdout; figures go to stderr.

    Ctrl-C stops the generation and keeps the text.
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
    text = options.argument_or_pipe(prompt, "PROMPT")
    with opening.opened(model) as ready:
        return Answers(form=form, quiet=quiet).show(ready.complete(text), ready.info)
