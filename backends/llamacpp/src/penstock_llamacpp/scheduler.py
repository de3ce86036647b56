"""Scheduler: the thread that owns the context, and decides what goes into each step."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Protocol, TypeVar

from penstock.errors import ModelClosed
from penstock.events import FinishReason

from penstock_llamacpp import teams
from penstock_llamacpp.aside import Aside
from penstock_llamacpp.held import Held
from penstock_llamacpp.sequences import Sequences
from penstock_llamacpp.speaker import Speaker
from penstock_llamacpp.steps import Relief, Result, Steps
from penstock_llamacpp.stream import Stream
from penstock_llamacpp.switching import EAGER, be_punctual
from penstock_llamacpp.tiles import spare
from penstock_llamacpp.waking import Waking

__all__ = ["Scheduler"]

T = TypeVar("T")

_PATIENCE = 0.25
"""Seconds that a stream may be behind its reader's pace before it makes way for one that waits."""

_QUIET = 0.5
"""Seconds of rest after which kept prefixes are copied to RAM: who goes on at once with what has
just been evaluated does not wait for that."""

_MARGIN = 256
"""Tokens that are kept free for the answer when a stream is admitted; it may grow beyond."""


class Abortable(Protocol):
    """The part of a context that is asked for here."""

    cells: int
    recurrent: bool
    tiled: bool
    """Whether few rows behind a long text are dearer than a tile of them; see `tiles`."""

    def own(self) -> None:
        """Make this thread the one that evaluates."""

    def abort(self) -> None:
        """Stop the running evaluation."""

    def resume(self) -> None:
        """Take that back."""


class Scheduler:
    """Runs streams in common steps, up to `parallel` at once, the others in order of arrival.

    Whatever happens to a stream, from whatever thread, comes as a command through one inbox; the
    thread sleeps when there is nothing to do, and never waits for a reader. A stream whose reader
    is behind is left out; where others wait for its place, it gives up its sequence and comes
    back later, without having lost anything. A long prompt that would disturb the others is
    evaluated `aside`.

    While streams run, kept prefixes hold at most `idle_tokens` in the context. `ended` is called
    once for every stream, `dispose` at the end of the thread.
    """

    def __init__(
        self,
        context: Abortable,
        sequences: Sequences,
        steps: Callable[[Relief], Steps],
        speaker: Speaker,
        aside: Aside,
        *,
        parallel: int,
        idle_tokens: int,
        ended: Callable[[], object],
        dispose: Callable[[], object],
    ) -> None:
        self._context = context
        self._sequences = sequences
        self._steps = steps(self)
        self._speaker = speaker
        self._aside = aside
        self._parallel = parallel
        self._idle_tokens = idle_tokens
        self._ended = ended
        self._dispose = dispose
        self._inbox: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._waiting: deque[Stream] = deque()
        self._running: list[Stream] = []
        self._paused: list[Stream] = []
        self._parked: list[Stream] = []
        self._evaluating: Sequence[Stream] = ()
        # Reentrant: a garbage collection may make a reader leave at any point of this thread.
        self._lock = threading.RLock()
        self._closing = False
        self._restless = False
        self._waking = Waking()
        aside.arrived = partial(self._inbox.put, _wake)
        self._thread = threading.Thread(target=self._run, name="penstock llama.cpp", daemon=True)
        self._thread.start()

    # from any thread

    @property
    def running(self) -> int:
        """How many streams have a sequence."""
        return len(self._running) + len(self._paused) + len(self._aside.line)

    @property
    def tokens(self) -> int:
        """How many tokens were generated in all."""
        return self._speaker.tokens

    def add(self, stream: Stream) -> None:
        """Take a stream."""
        self._inbox.put(partial(self._waiting.append, stream))
        stream.ticket.on_leave(partial(self._leave, stream))

    def call(self, work: Callable[[], T]) -> Future[T]:
        """Have `work` done on the thread that owns the context, between two steps.

        Raises `ModelClosed`.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closing:
                raise ModelClosed("the model is closed")
            self._inbox.put(self._waking.now)  # the work may take longer than a step
            self._inbox.put(partial(_answer, future, work))
        return future

    def close(self) -> None:
        """End all streams with `ModelClosed`, free the context, and wait for it."""
        with self._lock:
            self._closing = True
            self._context.abort()
        self._aside.stop()
        self._inbox.put(_wake)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _leave(self, stream: Stream) -> None:
        with self._lock:
            alone = self._evaluating and all(one.ticket.left for one in self._evaluating)
            # A recurrent memory would be lost as a whole: there, the step at hand is finished.
            if alone and not self._context.recurrent:
                self._context.abort()
        self._aside.leave(stream)
        self._inbox.put(partial(self._drop, stream))

    # the loop

    def _run(self) -> None:
        try:
            self._context.own()
            be_punctual()
            while not self._closing:
                try:
                    self._turn()
                except Exception as error:  # noqa: BLE001  # a defect must not stop the others
                    self._start_over(error)
        finally:
            EAGER.leave(self)
            self._end_all()
            self._dispose()

    def _turn(self) -> None:
        self._listen()
        self._admit()
        if self._running:
            self._step()
        if self._aside.ready:
            self._go_on_aside()

    def _start_over(self, error: Exception) -> None:
        """Fail what runs, and trust nothing that the context holds."""
        for stream in (*self._running, *self._paused, *self._aside.line):
            self._end(stream, error)
        self._sequences.clear()

    def _listen(self) -> None:
        """Do what the inbox says; with nothing else to do, wait for it."""
        inbox = self._inbox
        while True:
            while not inbox.empty():
                inbox.get()()
            if self._closing or self._running or self._aside.ready or self._next() is not None:
                EAGER.enter(self)
                self._restless = True
                return
            self._rest()
            try:
                inbox.get(timeout=self._until_something())()
            except Empty:
                self._sequences.copy_one()
                return
            self._restless = True

    def _rest(self) -> None:
        """Take nothing from others while there is nothing to do."""
        if self._restless:
            self._restless = False
            self._waking.now()
            EAGER.leave(self)
            teams.dismiss()

    def _step(self) -> None:
        running = self._running
        self._steps.calm = not self._aside.line
        result = self._steps.run(running, self._wanted)
        with self._lock:
            self._evaluating = ()
        for stream, error in result.failed:
            self._end(stream, error)
        self._advance(result.prompts)
        self._hand_out(result)

    def _advance(self, prompts: Sequence[Stream]) -> None:
        for stream in prompts:
            if stream.held is not None:
                self._sequences.mark(stream.held)
            if not stream.generated:
                stream.ticket.deliver(stream.progress)
            if self._aside.takes(stream, self._running):
                self._running.remove(stream)
                self._aside.line.append(stream)

    def _go_on_aside(self) -> None:
        stream = self._aside.line[0]
        before = stream.ahead
        finished = self._aside.run(self._steps.rest(len(self._running)))
        if stream.ahead > before and not stream.generated:
            stream.ticket.deliver(stream.progress)
        if finished is not None:
            self._running.append(finished)

    def _hand_out(self, result: Result) -> None:
        speak, note, at = self._speaker.speak, self._waking.note, result.at
        # A step with a prompt takes long, and the next one will; a first token is waited for.
        urgent = bool(result.prompts or self._aside.line)
        for stream, row in result.outputs:
            note(stream.ticket)
            urgent = urgent or not stream.generated
            try:
                reason = speak(stream, row, at)
            except Exception as error:  # noqa: BLE001  # one stream fails, never all
                self._end(stream, error)
                continue
            if reason is not None:
                self._end(stream, reason=reason)
            elif stream.ticket.full:
                self._pause(stream)
                urgent = True
        self._waking.step(at, urgent=urgent)

    def _wanted(self, streams: Sequence[Stream]) -> bool:
        """Publish what is about to be evaluated; False if nobody wants any of it any more."""
        with self._lock:
            if self._closing or all(stream.ticket.left for stream in streams):
                return False
            self._context.resume()
            self._evaluating = tuple(streams)
            return True

    # coming and going

    def _next(self) -> Stream | None:
        """Return the stream that can be admitted now."""
        if not self._waiting or self.running >= self._parallel:
            return None
        stream = self._waiting[0]
        needed = len(stream.tokens) + min(_MARGIN, stream.limit - stream.generated)
        alone = not self.running
        fits = self._sequences.live_tokens + needed <= self._context.cells
        return stream if alone or fits else None

    def _admit(self) -> None:
        if self._waiting and self._paused and self._next() is None:
            self._park_overdue()
        while (stream := self._next()) is not None:
            self._waiting.popleft()
            try:
                self._place(stream)
            except Exception as error:  # noqa: BLE001  # as in `_step`
                self._end(stream, error)

    def _place(self, stream: Stream) -> None:
        if not (stream.admitted or stream.ticket.admit()):
            self._end(stream)
            return
        self._waking.now()  # the next step takes longer
        stream.held = held = self._sequences.claim(stream.tokens)
        self._fill_tile(stream, held)
        if not stream.admitted:
            stream.admitted, stream.cached = True, held.count
            stream.ticket.deliver(stream.progress)
        stream.mixed = False
        place = self._aside.line if self._aside.takes(stream, self._running) else self._running
        place.append(stream)
        self._sequences.spill(self._idle_tokens)

    def _fill_tile(self, stream: Stream, held: Held) -> None:
        """Have some tokens evaluated again where that is cheaper than too few."""
        beside = bool(self._running)
        if not self._context.tiled or (beside and not self._aside.able):
            return
        if again := spare(stream.pending, held.count):
            # Aside, the last token is not evaluated with the others.
            self._sequences.rewind(held, held.count - again - beside)

    def _pause(self, stream: Stream) -> None:
        stream.paused = perf_counter()
        self._running.remove(stream)
        self._paused.append(stream)
        stream.ticket.when_room(partial(self._inbox.put, partial(self._resume, stream)))

    def _resume(self, stream: Stream) -> None:
        stream.paused = None
        if stream in self._paused:
            self._paused.remove(stream)
            self._running.append(stream)
        elif stream in self._parked:
            self._parked.remove(stream)
            self._waiting.appendleft(stream)

    def _park(self, stream: Stream) -> None:
        """Give the place of a paused stream to others; it comes back when it is read again."""
        self._paused.remove(stream)
        self._give_back(stream)
        self._parked.append(stream)

    def _park_overdue(self) -> None:
        oldest = self._paused[0]
        if oldest.paused is not None and perf_counter() - oldest.paused >= _PATIENCE:
            self._park(oldest)

    def _until_something(self) -> float | None:
        """Return the seconds until there is something to do though nobody has asked for it."""
        quiet = _QUIET if self._sequences.uncopied else None
        parking = self._until_parking()
        return min((one for one in (quiet, parking) if one is not None), default=None)

    def _until_parking(self) -> float | None:
        """Return the seconds until a paused stream must make way, None if nobody waits for it."""
        if not (self._waiting and self._paused) or self._paused[0].paused is None:
            return None
        return max(0.0, self._paused[0].paused + _PATIENCE - perf_counter())

    def displace(self, stream: Stream) -> None:
        """Take a running stream out for lack of memory; it is the next to be admitted."""
        self._running.remove(stream)
        self._give_back(stream)
        self._waiting.appendleft(stream)

    def distrust(self) -> None:
        """Forget all that the memory holds; every stream is evaluated from its beginning."""
        self._sequences.distrust()

    def make_room(self) -> bool:
        """Free memory that no running stream needs; False if there is none."""
        if self._sequences.evict():
            return True
        if self._paused:
            self._park(self._paused[-1])
        return self._sequences.evict()

    def _drop(self, stream: Stream) -> None:
        """End a stream that nobody wants any more, wherever it is."""
        self._end(stream)

    def _end(
        self,
        stream: Stream,
        error: BaseException | None = None,
        *,
        reason: FinishReason | None = None,
    ) -> None:
        if stream.over:
            return
        stream.over = True
        self._aside.drop(stream)
        for place in (self._running, self._paused, self._parked, self._waiting):
            if stream in place:
                place.remove(stream)
        try:
            self._give_back(stream)
            stream.sampler.close()
            if reason is not None:
                stream.ticket.deliver(stream.finish(reason))
        finally:  # whatever went wrong, nobody is left waiting for an end
            self._ended()
            stream.ticket.end(error)

    def _give_back(self, stream: Stream) -> None:
        held, stream.held = stream.held, None
        if held is not None:
            self._sequences.release(held)

    def _end_all(self) -> None:
        while not self._inbox.empty():
            self._inbox.get()()
        for stream in (
            *self._running,
            *self._paused,
            *self._aside.line,
            *self._parked,
            *self._waiting,
        ):
            self._end(stream, ModelClosed("the model was closed during the generation"))


def _answer(future: Future[T], work: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001  # it belongs to who asked
        future.set_exception(error)


def _wake() -> None:
    """Do nothing: the thread looks around."""
