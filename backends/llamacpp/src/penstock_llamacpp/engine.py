"""The engine: one model, one context, one sequence at a time."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator

from penstock.backend import BlockingEngine, CancelFlag
from penstock.errors import ContextOverflow, EngineError, UsageError
from penstock.events import EngineEvent
from penstock.messages import PromptLike, as_segments
from penstock.request import Request

from penstock_llamacpp.context import Context
from penstock_llamacpp.decode import Decoder, Job
from penstock_llamacpp.description import describe
from penstock_llamacpp.sampling import Sampler
from penstock_llamacpp.vocabulary import Vocabulary
from penstock_llamacpp.weights import Weights

__all__ = ["LlamaCppEngine"]


class LlamaCppEngine(BlockingEngine):
    """A model that llama.cpp has loaded. Owns `weights` and `context`."""

    def __init__(self, weights: Weights, context: Context, threads: int) -> None:
        self._weights = weights
        self._context = context
        self._vocabulary = Vocabulary(weights)
        self._decoder = Decoder(context, self._vocabulary, rewinds=weights.rewinds)
        self.info = describe(weights, context, self._vocabulary, threads)
        self._process = os.getpid()
        # Also when the engine is dropped, and at exit: a thread that still decodes while the
        # libraries are unloaded crashes the process, and Metal aborts if buffers are alive.
        self._release = weakref.finalize(
            self, _release, self._process, self._decoder, context, weights
        )

    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        """Yield the progress of the prompt, the tokens, and how it ended.

        Raises `ContextOverflow` before any work, `EngineError` where llama.cpp fails (the model
        stays usable), `ModelClosed` after `close`.
        """
        job = self._job(request)
        with job.sampler:
            yield from self._decoder.run(job, cancel)

    def warm_up(self) -> None:
        """Evaluate one token, so that the first request does not wait for memory and disk."""
        with self._context.busy:
            self._context.feed([max(0, self._vocabulary.bos)], 0, last=True)
            self._context.keep(0)

    def tokenize(self, prompt: PromptLike) -> list[int]:
        """Return the ids that `prompt` is evaluated as."""
        return self._vocabulary.encode(as_segments(prompt))

    def detokenize(self, ids: list[int]) -> bytes:
        """Return the bytes of `ids`, without control tokens."""
        return self._vocabulary.decode(ids)

    def close(self) -> None:
        """Free the context, then the model, once; closing again does nothing.

        Safe from any thread: it waits for the step at hand, after which a generation that still
        runs raises `ModelClosed`.
        """
        self._release()

    def _job(self, request: Request) -> Job:
        if os.getpid() != self._process:
            raise EngineError(
                "the model was loaded before a fork, and llama.cpp's threads are not here",
                hint="Load it in this process",
            )
        vocabulary = self._vocabulary
        with self._weights.held():
            prompt = vocabulary.encode(request.prompt)
            limit = self._room(prompt, request.sampling.max_tokens)
            sampler = Sampler(self._weights.library, vocabulary, request.sampling, prompt)
            return Job(prompt, sampler, limit, vocabulary.trims_after(prompt))

    def _room(self, prompt: list[int], wanted: int | None) -> int:
        if not prompt:
            raise UsageError("the prompt is empty", hint="This model needs at least one token")
        room = self._context.length - len(prompt)
        if room < 1:
            raise ContextOverflow(len(prompt), self._context.length)
        return room if wanted is None else min(room, wanted)


def _release(process: int, decoder: Decoder, context: Context, weights: Weights) -> None:
    if os.getpid() != process:
        return  # a forked child: the locks may be held by threads that are not here
    decoder.stop()
    context.close()
    weights.close()
