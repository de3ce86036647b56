"""A llama.cpp context: the memory of one sequence, and the batches that go into it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from ctypes import POINTER, c_int8, c_int32, pointer
from typing import Any

from penstock.errors import EngineError, LoadError, ModelClosed

from penstock_llamacpp.library import Library
from penstock_llamacpp.options import LoadOptions
from penstock_llamacpp.weights import Weights

__all__ = ["CHUNK", "Context"]

CHUNK = 128
"""Prompt tokens in one call: the longest work that cannot be interrupted."""

_FLASH = {"auto": -1, False: 0, True: 1}

_FAILURES = {
    1: ("found no room in its memory for the next token", "Load the model with a longer n_ctx"),
    2: ("was told to stop in the middle of its work", None),
    -1: ("was given a batch it cannot read, which is a defect of this backend", "Report it"),
    -2: (
        "could not get the memory for the computation",
        "Load it with a smaller n_ctx or n_ubatch",
    ),
    -3: ("failed while computing", "Its log, `penstock.llamacpp`, may say more"),
}
"""What `llama_decode` returns, and what to do (llama.h)."""


class Context:
    """Owns a `llama_context` with one sequence.

    Whoever works with it holds `busy`, so that `close`, from whatever thread, waits for the work
    at hand. Raises `LoadError` where llama.cpp cannot make it, usually for lack of memory.
    """

    def __init__(self, weights: Weights, options: LoadOptions, threads: int, length: int) -> None:
        self.busy = threading.Lock()
        self._library = library = weights.library
        self._pointer: int | None = _make(library, weights, options, threads, length)
        self._memory = library.context_memory(self._pointer)
        self._waits = weights.gpu_layers_asked != 0
        self.length = int(library.context_length(self._pointer))
        # llama.cpp ends the process if a call brings more tokens than n_batch.
        self.chunk = min(CHUNK, int(library.context_batch(self._pointer)))
        self._chunk = _Batch(library, self.chunk)
        self._single = _Batch(library, 1)

    @property
    def pointer(self) -> int:
        """The address of the C object. Raises `ModelClosed` after `close`."""
        if self._pointer is None:
            raise ModelClosed("the model is closed")
        return self._pointer

    def feed(self, tokens: Sequence[int], position: int, *, last: bool) -> None:
        """Evaluate at most `chunk` tokens from `position` on; `last` asks for logits at the end.

        Raises `EngineError`; what the memory then holds is not known.
        """
        self._decode(self._chunk.fill(tokens, position, last))

    def step(self, token: int, position: int) -> None:
        """Evaluate one token, for the logits after it. Raises as `feed` does."""
        self._decode(self._single.put(token, position))

    def keep(self, count: int) -> bool:
        """Forget all but the first `count` tokens; where that is impossible, return False."""
        if count == 0:
            self._library.memory_clear(self._memory, False)
            return True
        return bool(self._library.memory_remove(self._memory, 0, count, -1))

    def close(self) -> None:
        """Free the context, once; closing again does nothing."""
        with self.busy:
            found, self._pointer = self._pointer, None
            if found is not None:
                self._library.context_free(found)

    def _decode(self, batch: Any) -> None:
        code = self._library.decode(self.pointer, batch)
        if code:
            raise self._failure(code)
        if self._waits:
            # A GPU may still be computing; sampling would wait for it with the GIL held.
            self._library.synchronize(self._pointer)

    def _failure(self, code: int) -> EngineError:
        what, hint = _FAILURES.get(code, ("failed", None))
        said = self._library.log.errors()
        self._library.log.forget()
        because = f": {said}" if said else ""
        return EngineError(f"llama.cpp {what} (llama_decode returned {code}){because}", hint=hint)


class _Batch:
    """Arrays for `room` tokens of sequence 0, made once, and the C structure over them."""

    def __init__(self, library: Library, room: int) -> None:
        self._tokens, self._positions = (c_int32 * room)(), (c_int32 * room)()
        self._outputs = (c_int8 * room)()
        self._counts = (c_int32 * room)(*[1] * room)
        self._sequence = c_int32(0)
        self._sequences = (POINTER(c_int32) * room)(*[pointer(self._sequence)] * room)
        self._batch = library.structs.llama_batch(
            1, self._tokens, None, self._positions, self._counts, self._sequences, self._outputs
        )
        self._outputs[room - 1] = 1

    def put(self, token: int, position: int) -> Any:
        self._tokens[0] = token
        self._positions[0] = position
        return self._batch

    def fill(self, tokens: Sequence[int], position: int, last: bool) -> Any:
        count = len(tokens)
        self._tokens[:count] = list(tokens)
        self._positions[:count] = list(range(position, position + count))
        self._outputs[:count] = [0] * count
        self._outputs[count - 1] = last
        self._batch.n_tokens = count
        return self._batch


def _make(
    library: Library, weights: Weights, options: LoadOptions, threads: int, length: int
) -> int:
    params = library.context_params()
    params.n_ctx = length
    params.n_batch = min(options.n_batch, length)
    params.n_ubatch = min(options.n_ubatch, params.n_batch)
    params.n_seq_max = params.n_outputs_max = 1
    params.n_threads = options.n_threads or threads
    params.n_threads_batch = options.n_threads_batch or params.n_threads
    params.flash_attn_type = _FLASH[options.flash_attn]
    params.no_perf = True
    library.log.forget()
    found = library.context_new(weights.pointer, params)
    if not found:
        raise LoadError(
            f"llama.cpp cannot make a context of {length:,} tokens: {library.log.errors()}",
            hint="Load the model with a smaller n_ctx",
        )
    return int(found)
