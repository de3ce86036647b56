"""The engine: one model, one context, many generations at once."""

from __future__ import annotations

import hashlib
import os
import weakref
from array import array
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.backend import Activity, BatchingEngine, Ticket
from penstock.constraint import Constraint
from penstock.errors import ContextOverflow, EngineError, UsageError
from penstock.events import Embeddings
from penstock.messages import PromptLike, as_segments

from penstock_llamacpp import statefile
from penstock_llamacpp.aside import Aside
from penstock_llamacpp.context import DONE, Context
from penstock_llamacpp.description import describe
from penstock_llamacpp.embedding import Embedder
from penstock_llamacpp.held import Occupancy
from penstock_llamacpp.library import version
from penstock_llamacpp.options import LoadOptions
from penstock_llamacpp.reception import Reception, Tally
from penstock_llamacpp.sampling import Sampler
from penstock_llamacpp.scheduler import Scheduler
from penstock_llamacpp.sequences import Sequences
from penstock_llamacpp.shelf import Shelf
from penstock_llamacpp.side import LlamaDesk
from penstock_llamacpp.speaker import Speaker
from penstock_llamacpp.steps import Steps
from penstock_llamacpp.stream import Stream
from penstock_llamacpp.vocabulary import Vocabulary
from penstock_llamacpp.weights import Weights

if TYPE_CHECKING:
    from penstock.guides import Guide, Guides

__all__ = ["LlamaCppEngine"]

_HEAD_BYTES = 2**20
"""Bytes of a model file that tell it from others: its metadata, and the vocabulary's beginning."""

_IDLE_TOKENS = 0
"""Tokens of kept prefixes that stay in the context of a CPU while streams run. There, attention
looks at all that is held: 1,000 tokens that nobody uses make a token of a 25 M model take 1.1 times
as long. From RAM they are back in a hundredth of the time that it takes to evaluate them."""


_LEAST_ON_GPU = 128
"""Tokens from which on a prefix is used again on a GPU. Fewer are evaluated in the time of a step;
and since a GPU computes a row alone in another way than one among others, the same short prompt
would not give the same text again."""


class LlamaCppEngine(BatchingEngine):
    """A model that llama.cpp has loaded. Owns `weights` and `context`."""

    def __init__(
        self, weights: Weights, context: Context, options: LoadOptions, threads: int
    ) -> None:
        self._weights = weights
        self._context = context
        self._vocabulary = vocabulary = Vocabulary(weights)
        self.info = describe(weights, context, vocabulary, options, threads)
        self._process = os.getpid()
        self._identity = _identity(weights, options)
        self._embedder = Embedder(weights, options, threads)
        preparation = _Preparation(weights, vocabulary, context.length)
        self._sequences = Sequences(
            context,
            context.sequences,
            Shelf(options.cache_bytes, whole=weights.recurrent or weights.window > 0),
            rewinds=weights.rewinds,
            reuse=options.reuse_prefix,
            plain=weights.rewinds and not weights.window,
            least=_LEAST_ON_GPU if weights.offload.layers else 1,
        )
        aside = Aside(_desk(weights, options, threads, context), self._sequences, context)
        tally = Tally(options.parallel + options.queue_limit)
        self._scheduler = scheduler = Scheduler(
            context,
            self._sequences,
            partial(Steps, context, options.prompt_stretch),
            Speaker(context, vocabulary),
            aside,
            parallel=options.parallel,
            idle_tokens=context.cells if weights.gpu_layers_asked else _IDLE_TOKENS,
            ended=tally.leave,
            dispose=partial(_close, aside, self._embedder, context),
        )
        self._reception = reception = Reception(preparation.stream, scheduler.add, tally)
        # Also when the engine is dropped, and at exit: a thread that still decodes while the
        # libraries are unloaded crashes the process, and Metal aborts if buffers are alive.
        self._release = weakref.finalize(
            self, _release, self._process, reception, scheduler, weights
        )

    def submit(self, ticket: Ticket) -> None:
        """Take a generation; see `BatchingEngine.submit`."""
        self._refuse_fork()
        self._reception.take(ticket)

    def activity(self) -> Activity:
        """Return how many generations are in the context, and the tokens of all so far."""
        return Activity(self._scheduler.running, self._scheduler.tokens)

    def warm_up(self) -> None:
        """Evaluate one token, so that the first request does not wait for memory and disk.

        Raises `EngineError` where that fails.
        """
        self._scheduler.call(partial(_warm_up, self._context, self._vocabulary)).result()

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return a vector of length 1 for each text, between the steps of generations.

        Raises `UsageError` for a text without tokens, `ContextOverflow` for one that is too long.
        """
        ids = self._embedder.tokens(texts)
        return self._embedder.embed(ids, lambda work: self._scheduler.call(work).result())

    def save_state(self, prompt: PromptLike, path: Path) -> int:
        """Save what is evaluated of `prompt` and of the answer to it, if the model still has it.

        Raises `UsageError` if it has nothing of it, or where the file cannot be written.
        """
        tokens = array("i", self.tokenize(prompt))
        found = self._scheduler.call(partial(self._sequences.export, tokens)).result()
        if found is None:
            raise UsageError(
                "the model has nothing evaluated of this prompt",
                hint="Save it right after its answer, with reuse_prefix on",
            )
        statefile.write(path, self._identity, *found)
        return len(found[0])

    def load_state(self, path: Path) -> int:
        """Put a saved state where prompts that begin with its text find it.

        Raises `LoadError` for a file of another model, `UsageError` if there is no room for it.
        """
        tokens, state = statefile.read(path, self._identity)
        if not self._scheduler.call(partial(self._sequences.take_in, tokens, state)).result():
            raise UsageError(
                f"a state of {state.nbytes:,} bytes has no room",
                hint="Load the model with larger cache_bytes, and with reuse_prefix on",
            )
        return len(tokens)

    def occupancy(self) -> Occupancy:
        """Return what the context holds right now. Waits for the step at hand."""
        return self._scheduler.call(self._sequences.occupancy).result()

    def tokenize(self, prompt: PromptLike) -> list[int]:
        """Return the ids that `prompt` is evaluated as."""
        return self._vocabulary.encode(as_segments(prompt))

    def detokenize(self, ids: list[int]) -> bytes:
        """Return the bytes of `ids`, without control tokens."""
        return self._vocabulary.decode(ids)

    def close(self) -> None:
        """End all generations, free the context, then the model, once; again does nothing.

        Safe from any thread: it waits for the step at hand, which is told to stop.
        """
        self._release()

    def _refuse_fork(self) -> None:
        if os.getpid() != self._process:
            raise EngineError(
                "the model was loaded before a fork, and llama.cpp's threads are not here",
                hint="Load it in this process",
            )


class _Preparation:
    """From a request to a stream: tokens, limits, sampler, constraint."""

    def __init__(self, weights: Weights, vocabulary: Vocabulary, length: int) -> None:
        self._weights = weights
        self._vocabulary = vocabulary
        self._length = length
        self._guides: Guides | None = None

    def stream(self, ticket: Ticket) -> Stream:
        """Return the stream. Raises `ContextOverflow`, and `UsageError` for a constraint."""
        request = ticket.request()
        prompt = self._vocabulary.encode(request.prompt)
        limit = self._room(prompt, request.sampling.max_tokens)
        trims = self._vocabulary.trims_after(prompt)
        guide = self._guide(request.sampling.constraint, trims=trims)
        with self._weights.held():
            sampler = Sampler(
                self._weights.library, self._vocabulary, request.sampling, prompt, guide
            )
        return Stream(
            ticket,
            array("i", prompt),
            len(prompt),
            limit,
            sampler,
            guide,
            trim=trims,
        )

    def _guide(self, constraint: Constraint | None, *, trims: bool) -> Guide | None:
        if constraint is None:
            return None
        if self._guides is None:
            from penstock.guides import Guides  # 70 ms, for those who constrain

            self._guides = Guides(self._vocabulary)
        return self._guides.guide(constraint, trims=trims)

    def _room(self, prompt: list[int], wanted: int | None) -> int:
        if not prompt:
            raise UsageError("the prompt is empty", hint="This model needs at least one token")
        room = self._length - len(prompt)
        if room < 1:
            raise ContextOverflow(len(prompt), self._length)
        return room if wanted is None else min(room, wanted)


def _identity(weights: Weights, options: LoadOptions) -> statefile.Identity:
    with weights.path.open("rb") as file:
        digest = hashlib.sha256(file.read(_HEAD_BYTES)).hexdigest()
    return statefile.Identity(
        model=f"{digest} {weights.file_bytes}",
        type_k=options.type_k,
        type_v=options.type_v,
        lora=str(weights.adapters),
        release=version(),
    )


def _warm_up(context: Context, vocabulary: Vocabulary) -> None:
    context.batch.clear()
    context.batch.put(max(0, vocabulary.bos), 0, 0)
    code = context.decode()
    context.remove(0, 0)
    if code != DONE:
        raise context.failure(code)


def _desk(
    weights: Weights, options: LoadOptions, threads: int, context: Context
) -> LlamaDesk | None:
    # A GPU evaluates a chunk among others as fast as alone; and a memory that is more than keys and
    # values of all tokens cannot be moved from one context to another so simply.
    plain = weights.rewinds and not weights.window
    if not (options.prompt_aside and plain) or weights.gpu_layers_asked:
        return None
    return LlamaDesk(weights, options, threads, context.length)


def _close(aside: Aside, embedder: Embedder, context: Context) -> None:
    aside.close()
    embedder.close()
    context.close()


def _release(process: int, reception: Reception, scheduler: Scheduler, weights: Weights) -> None:
    if os.getpid() != process:
        return  # a forked child: the locks may be held by threads that are not here
    reception.close()
    scheduler.close()
    weights.close()
