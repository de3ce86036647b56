"""A request's sampling options, as a chain of llama.cpp's samplers."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from penstock.request import Sampling

from penstock_llamacpp.context import Context
from penstock_llamacpp.library import Library, Native
from penstock_llamacpp.vocabulary import Vocabulary

__all__ = ["DEFAULTS", "RECENT", "Sampler"]

DEFAULTS = Sampling(
    temperature=0.8,
    top_k=40,
    top_p=0.95,
    min_p=0.05,
    repeat_penalty=1.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    ignore_eos=False,
)
"""The values llama-server takes where a request says nothing."""

RECENT = 64
"""How many of the last tokens the penalties look at, the prompt's among them."""

_RANDOM_SEED = 0xFFFFFFFF
_NEVER = float("-inf")


class Sampler:
    """Chooses the tokens of one request. Owns a sampler chain, and frees it when left.

    The order is llama-server's: bias, penalties, top-k, top-p, min-p, temperature, draw. The
    penalties count the end of `prompt` too.
    """

    def __init__(
        self, library: Library, vocabulary: Vocabulary, sampling: Sampling, prompt: Sequence[int]
    ) -> None:
        self._library = library
        self.chain: int | None = library.chain_new(library.chain_params())
        chosen = sampling.over(DEFAULTS)
        for part in _parts(library, vocabulary, chosen):
            library.chain_add(self.chain, part)
        if _penalises(chosen):
            for token in prompt[-RECENT:]:
                library.sampler_accept(self.chain, token)

    def on(self, context: Context) -> Native:
        """Return the call that takes a row of `context`, and chooses and counts a token for it."""
        return functools.partial(self._library.sampler_sample, self.chain, context.pointer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        chain, self.chain = self.chain, None
        if chain is not None:
            self._library.sampler_free(chain)  # frees the parts too


def _parts(library: Library, vocabulary: Vocabulary, sampling: Sampling) -> Iterator[Any]:
    never = vocabulary.suppressed + (vocabulary.ends if sampling.ignore_eos else ())
    if never:
        yield _ban(library, vocabulary.size, never)
    if _penalises(sampling):
        yield library.penalties(
            vocabulary.size,
            RECENT,
            sampling.repeat_penalty,
            sampling.frequency_penalty,
            sampling.presence_penalty,
        )
    if sampling.temperature:
        yield from _draw(library, sampling)
    else:
        yield library.greedy()


def _draw(library: Library, sampling: Sampling) -> Iterable[Any]:
    # top-k comes first: top-p sorts what is left, and 150,000 logits take 10 ms to sort.
    steps: tuple[tuple[bool, Native, tuple[Any, ...]], ...] = (
        (bool(sampling.top_k), library.top_k, (sampling.top_k,)),
        (sampling.top_p != 1, library.top_p, (sampling.top_p, 1)),
        (bool(sampling.min_p), library.min_p, (sampling.min_p, 1)),
        (True, library.temp, (sampling.temperature,)),
        (True, library.dist, (_RANDOM_SEED if sampling.seed is None else sampling.seed,)),
    )
    return (make(*values) for wanted, make, values in steps if wanted)


def _ban(library: Library, size: int, tokens: Sequence[int]) -> Any:
    bias = library.structs.llama_logit_bias
    banned = (bias * len(tokens))(*((token, _NEVER) for token in tokens))
    return library.logit_bias(size, len(tokens), banned)


def _penalises(sampling: Sampling) -> bool:
    off = (1.0, 0.0, 0.0)
    return (
        sampling.repeat_penalty,
        sampling.presence_penalty,
        sampling.frequency_penalty,
    ) != off
