"""`penstock complete`: continue a text."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli import options
from penstock.cli.answers import Answers
from penstock.cli.opening import opened
from penstock.request import Sampling

__all__ = ["complete"]


def complete(
    prompt: Annotated[
        str, typer.Argument(metavar="PROMPT", help="The text to continue; - reads it from stdin.")
    ],
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
    """Continue PROMPT, streaming the text to stdout; figures go to stderr.

    Ctrl-C stops the generation and keeps the text.
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
    text = options.argument_text(prompt)
    with opened(model, device=device, options=option, sampling=sampling, quiet=quiet) as ready:
        answers = Answers(ready.info, as_json=as_json, quiet=quiet)
        return answers.show(ready.complete(text))
