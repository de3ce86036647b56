"""The limit: llama.cpp with nothing around it but ctypes, on the library that Penstock runs.

Decode, sample, look the piece up; no text, no stream, no loop, nobody who could leave. Run as a
child (see `child`); it needs llama-cpp-python and nothing else.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from benchmarks.child import serve
from benchmarks.settings import Settings


class Bare:
    """A model, a context, and the loop over both."""

    def __init__(self, settings: Settings) -> None:
        import llama_cpp.llama_cpp as native

        self._native = native
        self._room = min(settings.n_batch, settings.n_ctx)
        params = native.llama_model_default_params()
        params.n_gpu_layers = settings.n_gpu_layers
        self._model = native.llama_model_load_from_file(settings.path.encode(), params)
        self._vocabulary = native.llama_model_get_vocab(self._model)
        self._context = native.llama_init_from_model(self._model, _params(native, settings))
        assert self._context, settings
        self._memory = native.llama_get_memory(self._context)
        self._batch = native.llama_batch_init(self._room, 0, 1)
        self._buffer = ctypes.create_string_buffer(64)

    def run(self, prompts: Sequence[str], tokens: int, drawn: bool = False) -> list[list[float]]:
        """Return when each of `tokens` tokens of each prompt was there."""
        self._native.llama_memory_clear(self._memory, False)
        rows = [self.tokenize(prompt) for prompt in prompts]
        with self._sampler(drawn) as sampler:
            if len(rows) > 1:
                moments = list(self._batched(sampler, rows, tokens))
                return [moments] * len(rows)
            self.prefill(rows[0])
            return [list(self._single(sampler, len(rows[0]), tokens))]

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of `text`, with one that begins it."""
        data = text.encode()
        room = (ctypes.c_int32 * (len(data) + 2))()
        tokenize = self._native.llama_tokenize
        count = tokenize(self._vocabulary, data, len(data), room, len(room), True, False)
        return list(room[:count])

    def prefill(self, prompt: Sequence[int], sequence: int = 0) -> None:
        """Evaluate a prompt, for the logits after it."""
        for start in range(0, len(prompt), self._room):
            part = prompt[start : start + self._room]
            for at, token in enumerate(part):
                self._put(at, token, start + at, sequence, wanted=False)
            self._batch.logits[len(part) - 1] = start + len(part) == len(prompt)
            self._decode(len(part))

    def _batched(
        self, sampler: Any, prompts: Sequence[Sequence[int]], tokens: int
    ) -> Iterator[float]:
        native, context, vocabulary = self._native, self._context, self._vocabulary
        sample, piece, buffer = (
            native.llama_sampler_sample,
            native.llama_token_to_piece,
            self._buffer,
        )
        last: list[int] = []
        for sequence, prompt in enumerate(prompts):
            self.prefill(prompt, sequence)
            last.append(sample(sampler, context, -1))
        yield perf_counter()
        for step in range(tokens - 1):
            for sequence, prompt in enumerate(prompts):
                self._put(sequence, last[sequence], len(prompt) + step, sequence)
            self._decode(len(prompts))
            for sequence in range(len(prompts)):
                last[sequence] = token = sample(sampler, context, sequence)
                piece(vocabulary, token, buffer, 64, 0, False)
            yield perf_counter()

    def _single(self, sampler: Any, position: int, tokens: int) -> Iterator[float]:
        native, context, vocabulary = self._native, self._context, self._vocabulary
        buffer = self._buffer
        for at in range(position, position + tokens):
            token = native.llama_sampler_sample(sampler, context, -1)
            native.llama_token_to_piece(vocabulary, token, buffer, 64, 0, False)
            yield perf_counter()
            self._put(0, token, at, 0)
            self._decode(1)

    def _put(
        self, row: int, token: int, position: int, sequence: int, *, wanted: bool = True
    ) -> None:
        batch = self._batch
        batch.token[row] = token
        batch.pos[row] = position
        batch.n_seq_id[row] = 1
        batch.seq_id[row][0] = sequence
        batch.logits[row] = wanted

    def _decode(self, count: int) -> None:
        self._batch.n_tokens = count
        code = self._native.llama_decode(self._context, self._batch)
        assert code == 0, code

    @contextmanager
    def _sampler(self, drawn: bool) -> Iterator[Any]:
        native = self._native
        chain = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
        for part in _drawing(native) if drawn else [native.llama_sampler_init_greedy()]:
            native.llama_sampler_chain_add(chain, part)
        try:
            yield chain
        finally:
            native.llama_sampler_free(chain)


def _drawing(native: Any) -> list[Any]:
    """Return the samplers of Penstock's defaults, in its order."""
    return [
        native.llama_sampler_init_top_k(40),
        native.llama_sampler_init_top_p(0.95, 1),
        native.llama_sampler_init_min_p(0.05, 1),
        native.llama_sampler_init_temp(0.8),
        native.llama_sampler_init_dist(7),
    ]


def _params(native: Any, settings: Settings) -> Any:
    params = native.llama_context_default_params()
    params.n_ctx = settings.n_ctx
    params.n_batch = min(settings.n_batch, settings.n_ctx)
    params.n_ubatch = min(settings.n_ubatch, params.n_batch)
    params.n_seq_max = params.n_outputs_max = settings.n_seq_max
    params.n_threads = settings.n_threads
    params.n_threads_batch = settings.n_threads_batch
    params.kv_unified = settings.kv_unified
    params.flash_attn_type = settings.flash_attn
    params.no_perf = True
    return params


if __name__ == "__main__":
    serve(lambda text: Bare(Settings.read(text)).run)
