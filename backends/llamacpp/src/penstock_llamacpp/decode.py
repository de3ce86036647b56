"""The decode loop: a prompt goes in, in chunks; then sample, deliver, evaluate, token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import NoReturn

from penstock.backend import CancelFlag
from penstock.errors import EngineError, ModelClosed
from penstock.events import Finish, FinishReason, Prefill, Token, Usage

from penstock_llamacpp.context import Context
from penstock_llamacpp.sampling import Sampler
from penstock_llamacpp.vocabulary import Vocabulary

__all__ = ["Decoder", "Job"]


@dataclass(slots=True)
class Job:
    """One generation: what to evaluate, how to choose, and how many tokens at most.

    `trim` drops the space that the vocabulary puts before the first word.
    """

    prompt: Sequence[int]
    sampler: Sampler
    limit: int
    trim: bool = False
    cached: int = 0
    generated: int = 0

    def finish(self, reason: FinishReason) -> Finish:
        """Return the end of this generation, with its counts."""
        usage = Usage(
            prompt_tokens=len(self.prompt),
            completion_tokens=self.generated,
            cached_tokens=self.cached,
            source="engine",
        )
        return Finish(reason, usage)


class Decoder:
    """Runs jobs on a context, one after the other, and knows what the context still holds.

    Only whole chunks of the prompt before are reused, at the places where they were evaluated. A
    token evaluated in another company comes out a little differently (other kernels, other order
    of sums), and the same request could give another text the second time.
    """

    def __init__(self, context: Context, vocabulary: Vocabulary, *, rewinds: bool) -> None:
        self._context = context
        self._vocabulary = vocabulary
        self._rewinds = rewinds
        self._resident: list[int] = []
        self._running: Job | None = None
        self._stopped = False

    def run(self, job: Job, cancel: CancelFlag) -> Iterator[Prefill | Token | Finish]:
        """Yield the progress of the prompt, then tokens, then the end.

        Left early, it evaluates nothing more; what is evaluated stays consistent. Raises
        `EngineError` where llama.cpp fails, after which the next job starts from nothing.
        """
        with self._context.busy:
            if self._stopped:
                self._refuse()
            self._running = job
            job.cached = self._reuse(job.prompt)
        yield Prefill(0, len(job.prompt), job.cached)
        yield from self._prefill(job, cancel)
        if not cancel:
            yield from self._answer(job)

    def stop(self) -> None:
        """Refuse every further step, and wait for the one at hand. Safe from any thread."""
        self._stopped = True
        self._running = None  # at once: a running job would win the race for the lock for long
        with self._context.busy:
            self._running = None

    def _prefill(self, job: Job, cancel: CancelFlag) -> Iterator[Prefill]:
        prompt, total, size = job.prompt, len(job.prompt), self._context.chunk
        for start in range(job.cached, total, size):
            if cancel:
                return
            chunk = prompt[start : start + size]
            done = start + len(chunk)
            with self._turn(job):
                self._evaluate(chunk, start, last=done == total)
            yield Prefill(done, total, job.cached)

    def _answer(self, job: Job) -> Iterator[Token | Finish]:
        busy, pieces, learn = self._context.busy, self._vocabulary.pieces, self._vocabulary.learn
        is_end, step, sample = self._vocabulary.is_end, self._step, job.sampler.on(self._context)
        token, position, trim = -1, len(job.prompt) - 1, job.trim
        while job.generated < job.limit:
            with busy:  # `_turn`, written out: a context manager in Python costs a microsecond
                if self._running is not job:
                    self._refuse()
                if job.generated:
                    step(token, position)
                token = sample(-1)
                data = None if is_end(token) else pieces[token] or learn(token)
            if data is None:
                yield job.finish("stop")
                return
            if trim:
                data, trim = data.removeprefix(b" "), False
            job.generated += 1
            position += 1
            yield Token(token, data, perf_counter())
        yield job.finish("length")

    @contextmanager
    def _turn(self, job: Job) -> Iterator[None]:
        with self._context.busy:
            if self._running is not job:
                self._refuse()
            yield

    def _reuse(self, prompt: Sequence[int]) -> int:
        count = self._shared(prompt) if self._rewinds else 0
        if not self._context.keep(count):
            self._context.keep(count := 0)
        del self._resident[count:]
        return count

    def _shared(self, prompt: Sequence[int]) -> int:
        size, resident = self._context.chunk, self._resident
        # The last token of a prompt is evaluated again: the memory holds no logits.
        most = min(len(resident), len(prompt) - 1)
        count = 0
        while count + size <= most and _same(prompt, resident, count, count + size):
            count += size
        return count

    def _evaluate(self, chunk: Sequence[int], start: int, *, last: bool) -> None:
        try:
            self._context.feed(chunk, start, last=last)
        except EngineError:
            self._resident.clear()
            raise
        if len(chunk) == self._context.chunk:
            self._resident.extend(chunk)

    def _step(self, token: int, position: int) -> None:
        try:
            self._context.step(token, position)
        except EngineError:
            self._resident.clear()
            raise

    def _refuse(self) -> NoReturn:
        if self._stopped:
            raise ModelClosed("the model is closed")
        raise EngineError("another generation has taken the place of this one")


def _same(one: Sequence[int], other: Sequence[int], start: int, end: int) -> bool:
    return one[start:end] == other[start:end]
