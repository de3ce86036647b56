"""Tokens per second of the llama.cpp backend, as a share of a bare loop on the same library.

The limit is that bare loop: decode, sample, look the piece up, nothing else. Both run the pocket
model greedily, with the threads that the backend chose, in turns in one run.
"""

from __future__ import annotations

import ctypes
from statistics import median
from time import perf_counter

import penstock
import pytest
from penstock import sync

TOKENS = 400
ROUNDS = 15
PROMPT = "Once upon a time"


class Bare:
    """llama.cpp with nothing around it but ctypes."""

    def __init__(self, path: str, prompt: list[int], threads: int) -> None:
        import llama_cpp.llama_cpp as native

        self._native = native
        params = native.llama_model_default_params()
        params.n_gpu_layers = 0
        self._model = native.llama_model_load_from_file(path.encode(), params)
        self._vocabulary = native.llama_model_get_vocab(self._model)
        context = native.llama_context_default_params()
        context.n_ctx = 1024
        context.n_threads = context.n_threads_batch = threads
        self._context = native.llama_init_from_model(self._model, context)
        self._sampler = native.llama_sampler_init_greedy()
        self._prompt = prompt
        self._buffer = ctypes.create_string_buffer(64)

    def seconds(self) -> float:
        """Return how long `TOKENS` tokens take after the first."""
        native, context, sampler = self._native, self._context, self._sampler
        native.llama_memory_clear(native.llama_get_memory(context), False)
        self._decode(self._prompt)
        token = native.llama_sampler_sample(sampler, context, -1)
        began = perf_counter()
        for _ in range(TOKENS):
            self._decode([token])
            token = native.llama_sampler_sample(sampler, context, -1)
            native.llama_token_to_piece(self._vocabulary, token, self._buffer, 64, 0, False)
        return perf_counter() - began

    def close(self) -> None:
        self._native.llama_sampler_free(self._sampler)
        self._native.llama_free(self._context)
        self._native.llama_model_free(self._model)

    def _decode(self, tokens: list[int]) -> None:
        row = (ctypes.c_int32 * len(tokens))(*tokens)
        batch = self._native.llama_batch_get_one(row, len(tokens))
        assert self._native.llama_decode(self._context, batch) == 0


def streamed(model: sync.Model) -> float:
    """Return how long the same tokens take through the backend, the streams and a `for` loop."""
    generation = model.complete(PROMPT, max_tokens=TOKENS + 1, temperature=0, ignore_eos=True)
    moments = [perf_counter() for _ in generation]
    assert generation.completion.usage.completion_tokens == TOKENS + 1
    return moments[-1] - moments[0]


@pytest.mark.benchmark(group="llama.cpp")
def bench_share_of_the_bare_loop(benchmark) -> None:
    from penstock_pocket import path

    with penstock.sync.load("llamacpp:pocket:") as model:
        threads = int(str(model.info.details["n_threads"]))
        bare = Bare(str(path()), model.tokenize(PROMPT), threads)
        pairs: list[tuple[float, float]] = []
        benchmark.pedantic(
            lambda: pairs.append((bare.seconds(), streamed(model))), rounds=ROUNDS, warmup_rounds=2
        )
        bare.close()
    benchmark.extra_info["tokens/s bare"] = round(TOKENS / median(b for b, _ in pairs))
    benchmark.extra_info["tokens/s penstock"] = round(TOKENS / median(p for _, p in pairs))
    benchmark.extra_info["share"] = round(median(b / p for b, p in pairs), 3)
