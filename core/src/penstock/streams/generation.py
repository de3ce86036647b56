"""Generation: the object users hold while an answer is made."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Generator
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, cast

from penstock.constraint import Constraint
from penstock.errors import DeadlineExceeded, GenerationError, PenstockError, UsageError
from penstock.events import Aside, Completion, ContextReport, Delta, FinishReason, Logprob
from penstock.forms import judged
from penstock.request import Deadlines, Sampling
from penstock.streams.bells import rouse
from penstock.streams.deadlines import Patience
from penstock.streams.deltas import DeltaStream
from penstock.streams.job import Job
from penstock.streams.stream import END, PENDING, Gap, Leaving, reason_of
from penstock.streams.timing import Trace
from penstock.tools import calls_of
from penstock.values import dataclass

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import TypeVar

    R = TypeVar("R", default=Any)  # result
else:
    from typing import TypeVar

    R = TypeVar("R")  # one with a default needs a newer Python

__all__ = ["Generation", "Plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a generation needs to run, and what its completion will say about it.

    start        hands the job to the engine's pump; from any thread
    effective    the options really used
    estimate     guesses the tokens of the prompt, for engines that do not tell
    loop_thread  the thread that must never be blocked
    context      tells what of a conversation was left out
    """

    start: Callable[[Job], None]
    effective: Sampling
    deadlines: Deadlines
    estimate: Callable[[], int]
    loop_thread: int
    warnings: tuple[str, ...] = ()
    context: Callable[[], ContextReport | None] = lambda: None


class Generation(DeltaStream, Generic[R]):
    """One answer: stream it, await it, or both.

    ```python
    done = await model.complete("Hi")            # the Completion
    async for delta in model.complete("Hi"): ...  # deltas as they come
    async with model.complete("Hi") as gen: ...   # the same, and the engine is free afterwards
    ```

    In threads (`penstock.sync`) it is read with `for` and `gen.result()`. The engine starts with
    the first read. Leaving a loop in any way stops the engine within one token, or one chunk of
    the prompt; `completion` then holds what was delivered, and `idle()` waits until the engine is
    free. Errors are raised where the stream is read and carry `partial`.
    """

    def __init__(
        self, job: Job, plan: Plan, on_end: Callable[[Completion], None] | None = None
    ) -> None:
        self._job = job
        self._channel = job.channel
        self._plan = plan
        self._on_end = on_end
        self._patience = Patience(plan.deadlines, job.trace)
        self._parts: list[str] = []
        self._logprobs: list[Logprob] = []
        self._asides: list[Aside] = []
        # Whether there is more to do for a delta than to keep its text.
        self._attends = self._patience.watches or plan.effective.logprobs is not None
        self._started = False
        self._over = False
        self._ending = threading.RLock()  # who reads it and who stops it may be two threads
        self._formed = False
        self._completion: Completion[R] | None = None
        self._error: BaseException | None = None

    # what is known of it

    @property
    def generation(self) -> Generation:
        return self

    @property
    def text(self) -> str:
        """The text delivered so far."""
        return "".join(self._parts)

    @property
    def completion(self) -> Completion[R]:
        """The result, once the generation ended or was left. Raises `UsageError` before."""
        if self._completion is None and self._over:
            self._conclude("stopped")
        if self._completion is None:
            raise UsageError(
                "the generation has not ended", hint="Read it to the end, await it, or leave it"
            )
        return self._completion

    @property
    def failed(self) -> bool:
        """Whether it ended with an error."""
        return self._error is not None

    @property
    def formed(self) -> bool:
        """Whether it came to its end with the answer that was asked for: `completion.parsed`."""
        return self._formed

    @property
    def constraint(self) -> Constraint | None:
        """What the answer must be, if it is bound."""
        return self._plan.effective.constraint

    @property
    def trace(self) -> Trace:
        """The moments noted so far."""
        return self._job.trace

    @property
    def ended(self) -> bool:
        """Whether there is a completion: the generation ended, failed or was left."""
        return self._over

    # reading it

    def __await__(self) -> Generator[object, None, Completion[R]]:
        return self._finish().__await__()

    def result(self) -> Completion[R]:
        """Wait for the end in a thread: what `await` is to a task."""
        self.refuse_loop_thread()
        for _ in iter(self._read_in_thread, END):
            continue
        return self.completion

    def poll(self) -> Delta | Gap:
        if self._over:
            return self._poll_ended()
        delta = self._channel.pop()
        if delta is None:
            return self._poll_empty()
        if self._attends:
            self._attend(delta)
        if delta.aside is not None:
            self._asides.append(delta.aside)
        self._parts.append(delta.text)
        return delta

    def due(self) -> float | None:
        return self._patience.due() if self._patience.watches else None

    def ready(self) -> bool:
        return self._over or self._channel.news

    async def arrival(self, until: float | None, ready: Callable[[], bool]) -> None:
        """Wait for news, at the longest until this moment of `time.perf_counter`.

        Not at all if `ready()`, which is asked once everything that is new from then on is heard.
        """
        await self._channel.arrival(ready, _seconds(until))

    def wait_arrival(self, until: float | None, ready: Callable[[], bool]) -> None:
        """Do the same in a thread."""
        self._channel.wait_arrival(ready, _seconds(until))

    def nudge(self) -> None:
        """Have those who wait for news look again."""
        self._channel.nudge()

    # leaving it

    def stop(self) -> None:
        """Stop now, from any thread, callback or signal handler; the reason is `stopped`.

        Who reads comes to an orderly end. A delta that is being handed over meanwhile still
        counts, so the completion is made by who reads, or else when it is asked for.
        """
        self._over = self._claimed = True
        if self._started:
            self._channel.leave()
            rouse()
        else:
            self.leave()

    def leave(self, reason: Leaving = "stopped") -> None:
        try:
            if self._completion is None:
                self._claimed = True
                self._conclude(reason)
        finally:  # a callback that fails there must not leave the engine at work
            if self._started:
                self._channel.leave()

    async def idle(self) -> None:
        """Wait until the engine works for this generation no more; at once if it never did."""
        while self._started and not self._channel.idle:
            await self._channel.arrival(self._is_idle)

    def wait_idle(self) -> None:
        """Do the same in a thread."""
        while self._started and not self._channel.idle:
            self._channel.wait_arrival(self._is_idle)

    async def __aenter__(self) -> Self:
        self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave(reason_of(error))
        await self.idle()

    def __enter__(self) -> Self:
        self.refuse_loop_thread()
        self._start()
        return self

    def __del__(self) -> None:
        if getattr(self, "_completion", False) is not None:  # False: its constructor failed
            return
        if not sys.is_finalizing():  # then what makes a completion is gone, and who could ask
            self.leave()
        if not self._started:
            warnings.warn(
                "a generation was made and never read: await it, iterate it, or call result()",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave(reason_of(error))
        self.wait_idle()

    def refuse_loop_thread(self) -> None:
        """Raise `UsageError` where waiting would block the event loop that runs the engine."""
        if threading.get_ident() == self._plan.loop_thread:
            raise UsageError(
                "this would block the event loop", hint="Use `async for` and `await` here"
            )

    # how it ends

    def _start(self) -> None:
        if self._started or self._over:
            return
        self._started = True
        self._job.trace.begin(perf_counter())
        try:
            self._plan.start(self._job)
        except PenstockError as error:
            self._channel.rest()
            self._fail(error)

    def _poll_empty(self) -> Delta | Gap:
        if not self._started:
            self._start()
            return PENDING
        outcome = self._channel.outcome
        if outcome is None:
            if self._patience.watches:
                self._watch()
            return PENDING
        if self._channel.holds:  # put between the two looks
            return self.poll()
        if outcome.error is not None:
            self._fail(outcome.error)
        finish = self._job.assembly.finish
        self._settle("stop" if finish is None else finish.reason)
        return END

    def _settle(self, reason: FinishReason) -> None:
        """Take an end in order; a bound answer that is not what was asked for is an error."""
        constraint = self.constraint
        if constraint is None or any(aside.refusal for aside in self._asides):
            self._conclude(reason)
            return
        try:
            reason, parsed = judged(constraint, self.text, reason)
        except GenerationError as error:
            self._fail(error)
            return
        self._formed = reason != "tool_calls"
        self._conclude(reason, parsed)

    def _poll_ended(self) -> Gap:
        if self._completion is None:
            self._conclude("stopped")
        if self._error is not None:
            raise self._error
        return END

    def _attend(self, delta: Delta) -> None:
        if self._patience.watches:
            self._watch(total_only=True)
        self._logprobs.extend(delta.logprobs)

    def _watch(self, *, total_only: bool = False) -> None:
        try:
            self._patience.check(perf_counter(), total_only=total_only)
        except DeadlineExceeded as error:
            self._error = error
            self.leave("deadline")
            error.partial = self.completion
            raise

    def _fail(self, error: BaseException) -> None:
        self._error = error
        self._conclude("error")
        if isinstance(error, PenstockError):
            error.partial = self.completion
        raise error

    def _conclude(self, reason: FinishReason, parsed: object = None) -> None:
        with self._ending:
            if self._completion is not None:  # another thread was faster
                return
            self._over = True
            self._job.trace.finish(perf_counter())
            completion = self._completion = self._made(reason, parsed)
        if self._on_end is not None:
            on_end, self._on_end = self._on_end, None
            on_end(completion)

    def _made(self, reason: FinishReason, parsed: object) -> Completion[R]:
        job, plan = self._job, self._plan
        finish = job.assembly.finish
        return Completion(
            text=self.text,
            finish_reason=reason,
            usage=job.assembly.usage(plan.estimate),
            timings=job.trace.timings(),
            effective=plan.effective,
            stop_sequence=finish.stop_sequence if finish and reason == "stop_sequence" else None,
            warnings=plan.warnings,
            logprobs=tuple(self._logprobs),
            reasoning="".join(aside.reasoning for aside in self._asides),
            refusal="".join(aside.refusal for aside in self._asides),
            tool_calls=calls_of(part for aside in self._asides for part in aside.tool_calls),
            retries=job.assembly.retries,
            details=dict(job.assembly.details),
            context=plan.context(),
            parsed=cast("R", parsed),
        )

    async def _finish(self) -> Completion[R]:
        while (item := self.poll()) is not END:
            if item is PENDING:
                await self._patiently()
        return self.completion

    async def _patiently(self) -> None:
        try:
            await self.arrival(self.due(), self.ready)
        except BaseException:
            self.leave("cancelled")
            raise

    def _read_in_thread(self) -> Delta | Gap:
        item = self.poll()
        if item is PENDING:
            try:
                self.wait_arrival(self.due(), self.ready)
            except BaseException:
                self.leave("cancelled")
                raise
        return item

    def _is_idle(self) -> bool:
        return self._channel.idle


def _seconds(until: float | None) -> float | None:
    return None if until is None else until - perf_counter()
