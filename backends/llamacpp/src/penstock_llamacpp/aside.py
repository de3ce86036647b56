"""Aside: long prompts are evaluated in a context of their own, in turns with the others' steps.

A prompt among running streams could go into their steps, some tokens at a time. On a CPU that is
dear: attention is several times cheaper for 64 rows of one text than for fewer, and a step with so
many takes too long for the others. So a second context evaluates the prompt in large chunks, and
stands still, between any two nodes of the computation, while the others have their step. What it
has made of the prompt is then moved over.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue

from penstock_llamacpp import teams
from penstock_llamacpp.gate import Gate
from penstock_llamacpp.sequences import Sequences
from penstock_llamacpp.side import Desk, Job, Side
from penstock_llamacpp.stream import Stream
from penstock_llamacpp.switching import be_punctual
from penstock_llamacpp.tiles import TILE
from penstock_llamacpp.tray import Saved, Tray

__all__ = ["Aside"]

_LOG = logging.getLogger("penstock.llamacpp")

_SMALLEST = 1024
"""Cells of the smallest context that is made."""


class Aside:
    """A line of streams whose prompts are evaluated aside, one after the other.

    All calls but `leave` and `stop` belong to the scheduler's thread. `arrived` is called from
    another one, when a turn can be given, or when there is something to take back.
    """

    def __init__(self, desk: Desk | None, sequences: Sequences, context: Saved) -> None:
        self._desk = desk
        self._sequences = sequences
        self._context = context
        self._gate = Gate()
        self._tray = Tray()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._job: Job | None = None
        self._current: Stream | None = None
        self.line: deque[Stream] = deque()
        self.arrived: Callable[[], object] = bool

    @property
    def able(self) -> bool:
        """Whether anything is evaluated aside with this model and these options."""
        return self._desk is not None

    def takes(self, stream: Stream, others: Iterable[Stream]) -> bool:
        """Whether it is worth it for `stream`, which among `others` would disturb one of them."""
        if not self.able or stream.mixed or stream.pending <= TILE:
            return False
        return any(one is not stream and one.pending <= TILE for one in others)

    @property
    def ready(self) -> bool:
        """Whether `run` would bring something now."""
        job = self._job
        return bool(self.line) and (job is None or job.over or self._gate.stands)

    def run(self, seconds: float) -> Stream | None:
        """Give the first stream in line a turn, or return it where it had its last one before.

        Its sequence then holds its prompt but for the last token, or as much of it as there is: to
        move that over takes a while too, and comes behind another step of the others.
        """
        stream = self.line[0]
        job = self._job or self._begin(stream)
        if job.over:
            return self._finished()
        if self._gate.stands:
            self._gate.give(seconds)
        stream.ahead = job.done
        return None

    def drop(self, stream: Stream) -> None:
        """Take a stream out of the line; what was evaluated of it is in its sequence."""
        if stream not in self.line:
            return
        if stream is self._current:
            self._give_up()
        else:
            self.line.remove(stream)

    def leave(self, stream: Stream) -> None:
        """Stop the evaluation if it is that of `stream`. From any thread."""
        if stream is self._current:
            self._gate.stop()

    def stop(self) -> None:
        """Stop whatever is evaluated. From any thread."""
        self._gate.stop()

    def close(self) -> None:
        """Stop, free what was made, and end the thread."""
        if self._job is not None:
            self._job.unwanted = True
        self._gate.stop()
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join()

    def _begin(self, stream: Stream) -> Job:
        self._renew(stream)
        held = stream.held
        assert held is not None
        job = Job(stream.tokens[:], len(stream.tokens) - 1)
        if held.count:
            job.state = self._tray.take(self._context, held.id)
            job.done = held.count if job.state is not None else 0
        self._job, self._current = job, stream
        self._gate.open()
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="penstock llama.cpp aside", daemon=True
            )
            self._thread.start()
        self._jobs.put(job)
        return job

    def _renew(self, stream: Stream) -> None:
        """Look for its beginning again: who was before it in line may have had the same."""
        held = stream.held
        assert held is not None
        before = held.count
        stream.held = held = self._sequences.renew(held)
        if not stream.generated:
            stream.cached += max(0, held.count - before)

    def _give_up(self) -> None:
        job = self._job
        assert job is not None
        job.unwanted = True  # who is here may be at another's job still, and come to this one later
        self._gate.stop()
        if self._gate.here or job.over:  # it stands no more where `leave` has stopped it already
            self._gate.gone()
            self._finished()
            return
        # It is still getting its memory, which may take a while.
        self._job = self._current = None
        self.line.popleft()

    def _finished(self) -> Stream:
        job, stream = self._job, self.line.popleft()
        self._job = self._current = None
        assert job is not None
        assert stream.held is not None
        if job.state is not None and job.done > stream.held.count:
            self._sequences.replace(stream.held, job.done, job.state)
        stream.mixed, stream.ahead = True, 0
        return stream

    # the worker

    def _work(self) -> None:
        side: Side | None = None
        be_punctual()
        try:
            while (job := self._jobs.get()) is not None:
                side = self._do(job, side)
                # The others' barriers spin again only when this thread's team is gone.
                teams.dismiss()
                job.over = True
                self._gate.go()
                self.arrived()
        finally:
            if side is not None:
                side.close()

    def _do(self, job: Job, side: Side | None) -> Side | None:
        """Evaluate a job; return the context for the next one."""
        assert self._desk is not None
        try:
            if side is None or side.cells < len(job.tokens):
                if side is not None:
                    side.close()
                side = None
                side = self._desk.side(_cells(len(job.tokens)), self._gate, self._tray)
            if not job.unwanted and self._gate.come(self.arrived):
                side.fill(job)
        except Exception as error:  # noqa: BLE001  # no memory for a context, say
            _LOG.info("a prompt is evaluated among the others, since aside it failed: %s", error)
            job.state = None
        return side


def _cells(tokens: int) -> int:
    return max(_SMALLEST, 1 << (tokens - 1).bit_length())
