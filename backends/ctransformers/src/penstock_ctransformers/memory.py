"""How much memory a model needs to think: what the library does not check, and crashes without."""

from __future__ import annotations

import os

from penstock.errors import LoadError

from penstock_ctransformers.modelfile import ModelFile

__all__ = ["chunk_of", "context_of", "refuse_beyond"]

_LONGEST = 16384
"""The most tokens that a context length taken from the model may be."""

_SCRATCH = 200 * 2**20
"""Bytes that one evaluation of a legacy model may take, of the 256 MiB that there are for it."""

_VALUES_PER_LAYER = 48
"""How many times its width a layer writes for each token, at the most."""


def context_of(file: ModelFile, asked: int | None) -> int:
    """Return the context length to load a model with.

    A legacy model cannot be longer than it was trained, and some fit into the memory that there is
    for one evaluation with less only.
    """
    length = asked or min(file.context, _LONGEST)
    if not file.legacy or file.model_type == "llama":
        return length
    length = min(length, file.context)
    while length > 64 and _scratch(file, 1, length) > _SCRATCH:
        length -= 64
    return length


def chunk_of(file: ModelFile, asked: int, context: int) -> int:
    """Return how many tokens of a prompt may be evaluated at once."""
    if not file.legacy:
        return asked
    chunk = min(asked, context)
    while chunk > 1 and _scratch(file, chunk, context) > _SCRATCH:
        chunk //= 2
    return chunk


def refuse_beyond(file: ModelFile, context: int) -> None:
    """Raise `LoadError` for a context that this machine has no memory for.

    The library would end the process, or the system would.
    """
    needed, there = file.bytes_per_token * context, _memory()
    if there is not None and needed > there:
        raise LoadError(
            f"a context of {context} tokens needs about {needed / 2**30:,.0f} GiB, and this "
            f"machine has {there / 2**30:,.0f}",
            hint=f"Set n_ctx; the model was trained with {file.context}",
        )


def _scratch(file: ModelFile, tokens: int, context: int) -> int:
    """Return about how many bytes it takes to evaluate `tokens` at the end of a context."""
    activations = tokens * (
        file.layers * file.width * _VALUES_PER_LAYER + 3 * len(file.words.pieces)
    )
    attention = file.layers * context * (file.width + tokens * file.heads)
    return 4 * (activations + attention)


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
