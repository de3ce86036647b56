"""A llama.cpp context: the memory of all sequences, and the computation of a batch."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from penstock.errors import EngineError, ModelClosed

from penstock_llamacpp.batch import Batch
from penstock_llamacpp.options import LoadOptions
from penstock_llamacpp.parameters import context_parameters, new_context
from penstock_llamacpp.shelf import State
from penstock_llamacpp.weights import Weights

__all__ = ["ABORTED", "DONE", "FULL", "Context", "Logits", "Shape"]

DONE, FULL, ABORTED = 0, 1, 2
"""What `llama_decode` returns: evaluated; no room in the memory; told to stop (llama.h)."""

_FAILURES = {
    FULL: ("found no room in its memory for the next token", "Load the model with more n_cells"),
    ABORTED: ("was told to stop in the middle of its work", None),
    -1: ("was given a batch it cannot read, which is a defect of this backend", "Report it"),
    -2: (
        "could not get the memory for the computation",
        "Load it with a smaller n_ctx or n_ubatch",
    ),
    -3: ("failed while computing", "Its log, `penstock.llamacpp`, may say more"),
}

_MIXED = 48
"""Prompt tokens in a step with others, on CPUs."""

_TILED = ("f16", "f32")
"""Types of keys and values that flash attention on CPUs handles in tiles."""

_MOST_VIEWS = 1024

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a context is: tokens of one sequence, tokens of all, and how many sequences."""

    length: int
    cells: int
    sequences: int


class Context:
    """Owns a `llama_context`. All calls but `abort` belong to one thread.

    Raises `LoadError` where llama.cpp cannot make it, usually for lack of memory.
    """

    def __init__(self, weights: Weights, options: LoadOptions, threads: int, shape: Shape) -> None:
        self._library = library = weights.library
        self._stop = ctypes.create_string_buffer(2)
        params = context_parameters(library, weights, options, threads, shape.cells)
        params.n_seq_max = params.n_outputs_max = shape.sequences
        params.n_batch = max(params.n_batch, shape.sequences)  # a row for each, at least
        params.kv_unified = True
        self._arm(params, library.structs)
        self._pointer: int | None
        self._pointer, self.facts = new_context(weights, params)
        self._memory = library.context_memory(self._pointer)
        self._waits = weights.gpu_layers_asked != 0
        self._window = weights.window
        self.recurrent = weights.recurrent
        self._vocabulary = int(library.vocab_size(library.model_vocab(weights.pointer)))
        self._views: dict[int, Logits] = {}
        self.sequences = shape.sequences
        self.length = min(shape.length, int(library.context_length(self._pointer)))
        self.cells = int(library.context_cells(self._pointer))
        self.chunk = int(library.context_ubatch(self._pointer))
        # With running streams: on CPUs, flash attention goes another way from 64 rows on, which is
        # made for rows of one text, and slower for a mixture.
        self.mixed = self.chunk if self._waits else min(self.chunk, _MIXED)
        self.tiled = (
            not self._waits
            and self.facts.flash_attn
            and options.type_k == options.type_v
            and options.type_k in _TILED
        )
        self.batch = Batch(library.structs, int(library.context_batch(self._pointer)))

    @property
    def pointer(self) -> int:
        """The address of the C object. Raises `ModelClosed` after `close`."""
        if self._pointer is None:
            raise ModelClosed("the model is closed")
        return self._pointer

    def own(self) -> None:
        """Make this thread the one that evaluates: llama.cpp's lines from here become DEBUG.

        It complains of being told to stop, and of a full memory, which both belong to the day's
        work. What really fails is in `failure`.
        """
        self._library.log.quieten()

    def decode(self) -> int:
        """Evaluate the rows of `batch`, and return llama.cpp's code: 0, or why not.

        After 1 the memory is as before; after `ABORTED` and negative codes, ask `last`.
        """
        code: int = self._library.decode(self.pointer, self.batch.native)
        if code in (FULL, ABORTED):
            self._library.log.forget()
        if self._waits and not code:
            # A GPU may still be computing; sampling would wait for it with the GIL held.
            self._library.synchronize(self._pointer)
        return code

    def failure(self, code: int) -> EngineError:
        """Return the error for a code of `decode`."""
        what, hint = _FAILURES.get(code, ("failed", None))
        said = self._library.log.errors()
        self._library.log.forget()
        because = f": {said}" if said else ""
        return EngineError(f"llama.cpp {what} (llama_decode returned {code}){because}", hint=hint)

    def logits(self, row: int) -> Logits:
        """Return the logits after a row with output: llama.cpp's own memory, until `decode`.

        Raises `EngineError` for a row without.
        """
        address = self._library.logits_row(self._pointer, row)
        if not address:
            raise EngineError(f"llama.cpp has no logits for row {row}")
        view = self._views.get(address)
        return self._view(address) if view is None else view

    def abort(self) -> None:
        """Stop `decode` at the next node of the computation (on CPUs). From any thread."""
        self._stop[0] = b"\x01"

    def resume(self) -> None:
        """Take `abort` back."""
        self._stop[0] = b"\x00"

    # the memory, as `held.Memory` describes it

    def last(self, sequence: int) -> int:
        """Return the position of the last token of a sequence, -1 if it is empty."""
        return int(self._library.memory_last(self._memory, self._checked(sequence)))

    def reaches(self, sequence: int, count: int) -> bool:
        # Layers with a window lose what it has passed: from a state that was restored, and, with
        # `swa_full` or without, whenever llama.cpp looks for a free cell from the first one on.
        if self.recurrent:
            return False
        first = self._library.memory_first(self._memory, self._checked(sequence))
        return not self._window or first <= max(0, count - self._window)

    def remove(self, sequence: int, start: int) -> bool:
        if start > 0 and not self.reaches(sequence, start):
            # llama.cpp would take them back though what the next token looks at is gone as well.
            return False
        return bool(self._library.memory_remove(self._memory, self._checked(sequence), start, -1))

    def copy(self, source: int, target: int, count: int) -> None:
        source, target = self._checked(source), self._checked(target)
        self._library.memory_copy(self._memory, source, target, 0, count)

    def save(self, sequence: int) -> State | None:
        try:
            state = np.empty(self.state_bytes(sequence), np.uint8)
        except MemoryError:
            return None
        return state if self.save_into(sequence, state) else None

    def state_bytes(self, sequence: int) -> int:
        """Return how many bytes the state of `sequence` takes."""
        return int(self._library.state_size(self.pointer, self._checked(sequence), 0))

    def save_into(self, sequence: int, state: State) -> bool:
        """Save the state of `sequence` into memory of just its size; False where that fails."""
        size, address = state.nbytes, state.ctypes.data
        written = self._library.state_get(self.pointer, address, size, sequence, 0)
        return bool(size) and written == size

    def restore(self, sequence: int, state: State) -> bool:
        target = self._checked(sequence)
        # llama.cpp asserts, and ends the process, where a state does not fit its sequence.
        done = self._library.state_set(self.pointer, state.ctypes.data, state.nbytes, target, 0)
        if not done:
            self._library.log.forget()
            self.remove(sequence, 0)
        return bool(done)

    def close(self) -> None:
        """Free the context, once; closing again does nothing."""
        found, self._pointer = self._pointer, None
        if found is not None:
            self._library.context_free(found)

    def _arm(self, params: Any, structs: Any) -> None:
        """Let `abort` stop an evaluation."""
        # libc's strlen as the callback: it is asked between all nodes of the computation, and needs
        # neither Python nor its lock. An empty string is "go on", one of one character is "stop".
        libc = ctypes.CDLL("ucrtbase" if os.name == "nt" else None)
        params.abort_callback = ctypes.cast(libc.strlen, structs.ggml_abort_callback)
        params.abort_callback_data = ctypes.addressof(self._stop)

    def _view(self, address: int) -> Logits:
        if len(self._views) > _MOST_VIEWS:
            self._views.clear()
        row = (ctypes.c_float * self._vocabulary).from_address(address)
        view: Logits = np.ctypeslib.as_array(row)
        self._views[address] = view
        return view

    def _checked(self, sequence: int) -> int:
        # llama.cpp ends the process on a sequence that it does not have.
        if not 0 <= sequence < self.sequences:
            raise EngineError(f"there is no sequence {sequence} of {self.sequences}")
        return sequence
