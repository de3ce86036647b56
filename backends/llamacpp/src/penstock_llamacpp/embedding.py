"""Embeddings: a vector for each text, from a context of its own beside that of generations."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from penstock.backend import BlockingEngine, CancelFlag
from penstock.errors import ContextOverflow, EngineError, ModelClosed, Unsupported, UsageError
from penstock.events import Embeddings, EngineEvent, Usage
from penstock.messages import PromptLike, as_segments
from penstock.request import Request

from penstock_llamacpp.batch import Batch
from penstock_llamacpp.description import describe_encoder
from penstock_llamacpp.options import CACHE_TYPES, LoadOptions
from penstock_llamacpp.parameters import context_parameters, new_context
from penstock_llamacpp.vocabulary import Vocabulary
from penstock_llamacpp.weights import Weights

__all__ = ["Embedder", "EncoderEngine", "Turn"]

_CHUNK = 512
"""Tokens in one call. llama.cpp computes logits for each of them too, which takes memory."""

_PAIRS = 512 * 4096
"""Tokens in one call times tokens they may look at: without flash attention, llama.cpp keeps a
number for each pair and head."""

_TOGETHER = 128
"""Tokens of several texts in one call on a CPU: each looks at the places of all, which from here
on costs more than the call (30 texts of 20 tokens, 125 million parameters: 37 texts/s one by one,
49 with 128 tokens, 34 with 512)."""

_TEXTS = 32
"""Texts in one call."""

_POOLINGS: Final = {"1": "mean", "2": "cls", "3": "last"}
"""`enum llama_pooling_type`, as model files have it."""

Rows = npt.NDArray[np.float32]


class Turn(Protocol):
    """Has a piece of work done where and when the model may be evaluated, and waits for it."""

    def __call__(self, work: Callable[[], bool], /) -> bool: ...


def _now(work: Callable[[], bool], /) -> bool:
    return work()


class Embedder:
    """Embeds texts with one model. Nothing is made before the first text.

    Short texts are evaluated together, long ones in chunks. llama.cpp gives a vector for each
    token, and they are pooled here, so that a text may take several calls. Close it before the
    weights.

    length  tokens that a text may have
    """

    def __init__(self, weights: Weights, options: LoadOptions, threads: int) -> None:
        self._weights = weights
        self._options = options
        self._threads = threads
        self._vocabulary = Vocabulary(weights)
        self._context: _Context | None = None
        self._busy = threading.Lock()
        self._pooling = _pooling(weights, options)
        trained = weights.trained_context
        wanted = options.context_length(trained)
        # A model that sees a text as a whole has no positions beyond those it was trained with.
        self.length = wanted if weights.generates else min(wanted, trained)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids that `texts` are evaluated as. Safe from any thread.

        Raises `UsageError` for a text without tokens, `ContextOverflow` for one that is too long,
        `Unsupported` for a model that ranks texts instead.
        """
        if not self._weights.embeds:
            raise Unsupported(f"{self._weights.path.name!r} ranks texts, and embeds none")
        ids = [self._vocabulary.encode_whole(text) for text in texts]
        for text, found in zip(texts, ids, strict=True):
            if not found:
                raise UsageError(f"the text {text!r} has no tokens, so it has no embedding")
            if len(found) > self.length:
                raise ContextOverflow(len(found), self.length)
        return ids

    def embed(self, ids: Sequence[Sequence[int]], turn: Turn = _now) -> Embeddings:
        """Return the vectors of what `tokens` returned, each of length 1.

        Safe from any thread: the work is done in pieces of one evaluation each, which `turn` runs.
        No other context of the model may evaluate meanwhile. Raises `EngineError` where llama.cpp
        fails, `LoadError` where there is no memory for a context.
        """
        vectors: list[Rows] = []
        with self._busy:
            work = self._work(ids, vectors)
            while turn(partial(next, work, False)):
                pass
        usage = Usage(prompt_tokens=sum(map(len, ids)), completion_tokens=0)
        return Embeddings(tuple(_sized(vector) for vector in vectors), usage)

    def close(self) -> None:
        """Free the context, once; closing again does nothing."""
        context, self._context = self._context, None
        if context is not None:
            context.close()

    def _work(self, ids: Sequence[Sequence[int]], vectors: list[Rows]) -> Iterator[bool]:
        """Add the vector of each text, yielding True behind every evaluation."""
        if not ids:
            return
        context = self._roomy(max(map(len, ids)))
        room = context.room if self._weights.offload.layers else min(context.room, _TOGETHER)
        for group in self._groups(ids, room):
            pool = _Pool(self._pooling)
            for rows in context.evaluate(group):
                pool.add(rows)
                yield True
            vectors.extend(pool.vectors)

    def _groups(self, ids: Sequence[Sequence[int]], room: int) -> Iterator[list[Sequence[int]]]:
        """Yield the texts in their order, as many together as go into one call."""
        most = _TEXTS if self._weights.rewinds else 1
        group: list[Sequence[int]] = []
        for text in ids:
            if group and (len(group) == most or sum(map(len, group)) + len(text) > room):
                yield group
                group = []
            group.append(text)
        if group:
            yield group

    def _roomy(self, longest: int) -> _Context:
        """Return a context for a text of that length; one that was too small is replaced."""
        if self._context is None or self._context.length < longest:
            self.close()
            length = max(_CHUNK, 1 << (longest - 1).bit_length())
            self._context = _Context(self._weights, self._options, self._threads, length)
        return self._context


class _Pool:
    """The vectors of several texts, or of one whose tokens come in chunks."""

    def __init__(self, pooling: str) -> None:
        self._pooling = pooling
        self._count = 0
        self.vectors: list[Rows] = []

    def add(self, rows: Sequence[Rows]) -> None:
        """Add what belongs to the tokens of a chunk."""
        vectors = [_pooled(self._pooling, row) for row in rows]
        count = len(rows[0])
        self._count += count
        if not self.vectors or self._pooling == "last":
            self.vectors = vectors
        elif self._pooling == "mean":
            mean = self.vectors[0]
            self.vectors[0] = mean + (vectors[0] - mean) * (count / self._count)


class _Context:
    """A `llama_context` that gives a vector for each token."""

    def __init__(self, weights: Weights, options: LoadOptions, threads: int, length: int) -> None:
        self._library = library = weights.library
        params = context_parameters(library, weights, options, threads, length)
        params.n_batch = params.n_ubatch = min(_CHUNK, _PAIRS // length)
        if not weights.generates:
            # It has no memory: a text must go into one call, and positions end where they end.
            params.n_batch = params.n_ubatch = length
            params.n_ctx = min(length, weights.trained_context)
        few = params.n_batch * length <= _PAIRS
        if few and options.flash_attn == "auto" and CACHE_TYPES[options.type_v][0] == 1:
            # With it, a vector would depend a little on how many tokens the call has.
            params.flash_attn_type = 0
        params.n_seq_max = _TEXTS if weights.rewinds else 1
        params.n_outputs_max = 0  # as many as n_batch
        params.kv_unified = True
        params.embeddings = True
        params.pooling_type = 0
        self._pointer: int | None
        self._pointer, _facts = new_context(weights, params)
        self._memory = library.context_memory(self._pointer)
        self._width = int(library.model_width_out(weights.pointer))
        self._batch = Batch(library.structs, params.n_batch)
        self.length = length
        self.room = self._batch.room

    def evaluate(self, group: Sequence[Sequence[int]]) -> Iterator[list[Rows]]:
        """Yield the vectors of the tokens: all texts at once, or the chunks of a single one."""
        if self._memory and self._pointer is not None:
            self._library.memory_clear(self._memory, False)
        room = self.room
        longest = max(map(len, group))
        for start in range(0, longest, room):
            yield self._rows([text[start : start + room] for text in group], start)

    def close(self) -> None:
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            self._library.context_free(pointer)

    def _rows(self, parts: Sequence[Sequence[int]], start: int) -> list[Rows]:
        if self._pointer is None:
            raise ModelClosed("the model was closed while it embedded")
        self._batch.clear()
        for sequence, part in enumerate(parts):
            for at, token in enumerate(part):
                self._batch.put(token, start + at, sequence)
        self._library.log.forget()
        code = self._library.decode(self._pointer, self._batch.native)
        address = None if code else self._library.embeddings(self._pointer)
        if not address:
            said = self._library.log.errors()
            raise EngineError(f"llama.cpp cannot embed (llama_decode returned {code}): {said}")
        count = sum(map(len, parts))
        every = np.ctypeslib.as_array(address, (count, self._width))
        ends = np.cumsum([len(part) for part in parts])[:-1]
        return list(np.split(every, ends))


class EncoderEngine(BlockingEngine):
    """A model that only embeds, such as those of the BERT kind. Owns `weights`."""

    def __init__(self, weights: Weights, options: LoadOptions, threads: int) -> None:
        self._weights = weights
        self._vocabulary = Vocabulary(weights)
        self._embedder = Embedder(weights, options, threads)
        self._busy = threading.Lock()
        self.info = describe_encoder(weights, self._vocabulary, self._embedder.length, threads)

    def generate(
        self,
        request: Request,  # noqa: ARG002  # whatever it asks for
        cancel: CancelFlag,  # noqa: ARG002
    ) -> Iterator[EngineEvent]:
        """Raise `Unsupported`: it writes no texts."""
        raise Unsupported(f"{self.info.name!r} only embeds texts", hint="Use model.embed()")

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return a vector of length 1 for each text; see `Embedder`."""
        ids = self._embedder.tokens(texts)
        with self._busy, self._weights.held():
            return self._embedder.embed(ids)

    def warm_up(self) -> None:
        """Embed a word, so that the first call does not wait for memory and disk."""
        self.embed(["a"])

    def tokenize(self, prompt: PromptLike) -> list[int]:
        """Return the ids that the text of `prompt` is embedded as."""
        text = "".join(segment.text for segment in as_segments(prompt))
        return self._vocabulary.encode_whole(text)

    def detokenize(self, ids: list[int]) -> bytes:
        """Return the bytes of `ids`, without control tokens."""
        return self._vocabulary.decode(ids)

    def close(self) -> None:
        """Free the context, then the model, once; closing again does nothing."""
        with self._busy:
            self._embedder.close()
            self._weights.close()


def _pooling(weights: Weights, options: LoadOptions) -> str:
    if options.pooling != "auto":
        return options.pooling
    return _POOLINGS.get(weights.metadata_of("pooling_type") or "", "mean")


def _pooled(pooling: str, rows: Rows) -> Rows:
    """Return the vector for a chunk of tokens: a copy, as llama.cpp will use the rows again."""
    if pooling == "mean":
        return np.asarray(rows.mean(axis=0, dtype=np.float64), np.float32)
    return np.array(rows[-1 if pooling == "last" else 0], np.float32)


def _sized(vector: Rows) -> array[float]:
    """Return `vector` at length 1; one of nothing but zeros stays as it is."""
    length = float(np.linalg.norm(vector.astype(np.float64)))
    unit = vector / length if length else vector
    return array("f", unit.astype(np.float32).tobytes())
