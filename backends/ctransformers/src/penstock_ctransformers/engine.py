"""The engine: one model, one generation at a time, token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from time import perf_counter
from typing import TYPE_CHECKING

from penstock.backend import BlockingEngine, CancelFlag
from penstock.errors import ContextOverflow, UsageError
from penstock.events import EngineEvent, Finish, FinishReason, Prefill, Token, Usage
from penstock.messages import PromptLike, as_segments
from penstock.request import Request

from penstock_ctransformers.description import describe
from penstock_ctransformers.loaded import Loaded
from penstock_ctransformers.options import LoadOptions
from penstock_ctransformers.sampling import Sampler
from penstock_ctransformers.vocabulary import Vocabulary

if TYPE_CHECKING:
    from penstock.guides import Guide, Guides

__all__ = ["CTransformersEngine"]


class CTransformersEngine(BlockingEngine):
    """A model that ctransformers has loaded. Owns `loaded`.

    The loop is sample, deliver, evaluate: a token is delivered before the next one costs anything.
    """

    def __init__(
        self, loaded: Loaded, vocabulary: Vocabulary, options: LoadOptions, chunk: int
    ) -> None:
        self._loaded = loaded
        self._vocabulary = vocabulary
        self._ends = frozenset(vocabulary.ends)
        self._chunk = chunk
        self._reuses = options.reuse_prefix
        self._guides: Guides | None = None
        self.info = describe(loaded, vocabulary, options, chunk)

    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        """Generate one answer. Between two chunks of the prompt, `cancel` is looked at.

        Raises `ContextOverflow`, `UsageError` for a constraint, and `EngineError`.
        """
        prompt = self._vocabulary.encode(request.prompt)
        limit = self._room(prompt, request.sampling.max_tokens)
        trims = self._vocabulary.trims_after(prompt)
        guide = self._guide(request, trims=trims)
        sampler = Sampler(self._vocabulary, request.sampling, prompt, guide)
        cached = self._rewind(prompt)
        for done in self._read(prompt, cached):
            yield Prefill(done, len(prompt), cached)
            if cancel:
                return
        answer = _Answer(self._loaded, self._vocabulary, self._ends, sampler, guide, trims=trims)
        yield from answer.tokens(limit)
        usage = Usage(
            prompt_tokens=len(prompt), completion_tokens=answer.count, cached_tokens=cached
        )
        yield Finish(answer.reason, usage)

    def warm_up(self) -> None:
        """Evaluate one token, so that the first request does not wait for memory and disk.

        Raises `EngineError` where that fails.
        """
        self._loaded.evaluate([max(0, self._vocabulary.bos)])
        self._loaded.logits()
        self._loaded.rewind(0)

    def tokenize(self, prompt: PromptLike) -> list[int]:
        """Return the ids that `prompt` is evaluated as."""
        return self._vocabulary.encode(as_segments(prompt))

    def detokenize(self, ids: list[int]) -> bytes:
        """Return the bytes of `ids`, without control tokens."""
        return self._vocabulary.decode(ids)

    def close(self) -> None:
        """Free the model, once; again does nothing."""
        self._loaded.close()

    def _room(self, prompt: list[int], wanted: int | None) -> int:
        if not prompt:
            raise UsageError("the prompt is empty", hint="This model needs at least one token")
        room = self._loaded.context - len(prompt)
        if room < 1:
            raise ContextOverflow(len(prompt), self._loaded.context)
        return room if wanted is None else min(room, wanted)

    def _guide(self, request: Request, *, trims: bool) -> Guide | None:
        constraint = request.sampling.constraint
        if constraint is None:
            return None
        if self._guides is None:
            from penstock.guides import Guides  # 70 ms, for those who constrain

            self._guides = Guides(self._vocabulary)
        return self._guides.guide(constraint, trims=trims)

    def _rewind(self, prompt: Sequence[int]) -> int:
        """Keep what `prompt` begins with of what is evaluated, but its last token: count it."""
        if not self._reuses:
            self._loaded.rewind(0)
            return 0
        pairs = zip(prompt[:-1], self._loaded.held, strict=False)
        cached = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        self._loaded.rewind(cached)
        return cached

    def _read(self, prompt: Sequence[int], start: int) -> Iterator[int]:
        """Evaluate the rest of a prompt, chunk by chunk; yield how far it is."""
        for at in range(start, len(prompt), self._chunk):
            chunk = prompt[at : at + self._chunk]
            self._loaded.evaluate(chunk)
            yield at + len(chunk)


class _Answer:
    """The tokens behind a prompt that is evaluated; `count` of them, and why they end."""

    def __init__(
        self,
        loaded: Loaded,
        vocabulary: Vocabulary,
        ends: frozenset[int],
        sampler: Sampler,
        guide: Guide | None,
        *,
        trims: bool,
    ) -> None:
        self._loaded = loaded
        self._pieces = vocabulary.pieces
        self._ends = ends
        self._sampler = sampler
        self._guide = guide
        self._trims = trims
        self.count = 0
        self.reason: FinishReason = "length"

    def tokens(self, limit: int) -> Iterator[Token]:
        """Yield tokens, `limit` at the most; what is evaluated is one behind what was yielded."""
        loaded, sampler, ends = self._loaded, self._sampler, self._ends
        while True:
            token = sampler.choose(loaded.logits())
            if token in ends:
                self.reason = "stop"
                return
            fresh = [token]
            yield self._said(token)
            if self._guide is not None:
                yield from self._forced(fresh, limit)
                if self._guide.ended:
                    self.reason = "stop"
                    return
            if self.count >= limit:
                return
            loaded.evaluate(fresh)

    def _forced(self, fresh: list[int], limit: int) -> Iterator[Token]:
        """Yield the tokens that the constraint leaves no choice about; they go to `fresh` too."""
        assert self._guide is not None
        for token in self._guide.forced():
            if self.count >= limit:
                return
            self._sampler.count(token)
            fresh.append(token)
            yield self._said(token)

    def _said(self, token: int) -> Token:
        data = self._pieces[token]
        if self._trims:
            data, self._trims = data.removeprefix(b" "), False
        self.count += 1
        return Token(token, data, perf_counter(), self._sampler.logprob)
