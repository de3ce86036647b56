"""Steps: one batch for all streams, its evaluation, and what to do where that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

from penstock.errors import EngineError

from penstock_llamacpp.batch import Batch
from penstock_llamacpp.context import ABORTED, DONE, FULL
from penstock_llamacpp.pace import Pace
from penstock_llamacpp.stream import Stream
from penstock_llamacpp.tiles import whole

__all__ = ["Evaluation", "Relief", "Result", "Steps"]

_AHEAD = 16
"""Tokens that a running stream may have to evaluate at once: more count as a prompt."""

_SMALLEST = 16
"""Prompt tokens below which a chunk is not made smaller for lack of memory."""


class Evaluation(Protocol):
    """The part of a context that is asked for here."""

    batch: Batch
    chunk: int
    mixed: int
    recurrent: bool
    """Whether a step that is not finished may leave any sequence in pieces, in it or not."""

    def decode(self) -> int:
        """Evaluate the batch; return llama.cpp's code."""

    def failure(self, code: int) -> EngineError:
        """Return the error for such a code."""

    def last(self, sequence: int) -> int:
        """Return the last position of a sequence."""

    def remove(self, sequence: int, start: int) -> bool:
        """Forget a sequence from a position on; False where it cannot."""


class Relief(Protocol):
    """Who can make room in the memory."""

    def make_room(self) -> bool:
        """Free memory that no running stream needs; False if there is none."""

    def displace(self, stream: Stream) -> None:
        """Take a running stream out, to be run later."""

    def distrust(self) -> None:
        """Forget all that the memory holds; every stream is evaluated from its beginning."""


@dataclass(slots=True)
class Result:
    """What a step brought: rows with logits, streams whose prompt went on, and failures."""

    at: float = 0.0
    outputs: list[tuple[Stream, int]] = field(default_factory=list)
    prompts: list[Stream] = field(default_factory=list)
    failed: list[tuple[Stream, EngineError]] = field(default_factory=list)


@dataclass(slots=True)
class _Plan:
    """Which stream has how many rows in the batch, and which rows have output."""

    parts: list[tuple[Stream, int]] = field(default_factory=list)
    outputs: list[tuple[Stream, int]] = field(default_factory=list)
    prompts: list[Stream] = field(default_factory=list)
    decoding: int = 0


class Steps:
    """Evaluates one batch after the other. A step never fails as a whole.

    Without room, kept prefixes go, then the chunk of the prompt shrinks, then the youngest stream
    is displaced; only a stream that is alone fails. On other errors, streams are evaluated one by
    one, and those that fail alone fail.
    """

    def __init__(self, context: Evaluation, stretch: float, relief: Relief) -> None:
        self._context = context
        self._relief = relief
        self._pace = Pace(context.chunk, context.mixed, stretch)
        self._took = 0.0
        self.calm = True
        """Whether the machine has nothing else to do, so that its speed can be learned."""

    def rest(self, decoding: int) -> float:
        """Return the seconds that may pass between a step of `decoding` streams and the next."""
        return self._pace.rest(decoding, self._took)

    def run(self, streams: Sequence[Stream], wanted: Callable[[Sequence[Stream]], bool]) -> Result:
        """Evaluate the next tokens of `streams`; `wanted` is asked right before the work."""
        result = Result()
        left, most = list(streams), self._context.chunk
        while left:
            plan = self._plan(left, most)
            if not wanted(streams):
                break
            code = self._evaluate(plan, result)
            if code != FULL and code != -2:
                self._recover(code, plan, result)
                break
            if code == -2 and self._context.recurrent:
                self._relief.distrust()
            if code == FULL and self._relief.make_room():
                continue
            size = max((count for _, count in plan.parts), default=0)
            if plan.prompts and size > _SMALLEST:
                most = size // 2
            elif len(left) > 1:
                self._relief.displace(left.pop())
            else:
                result.failed.append((left.pop(), self._context.failure(code)))
        return result

    def _evaluate(self, plan: _Plan, result: Result) -> int:
        began = perf_counter()
        code = self._context.decode()
        result.at = perf_counter()
        if code == DONE:
            for stream, count in plan.parts:
                stream.held.count += count  # type: ignore[union-attr]  # all in a plan have one
            result.outputs.extend(plan.outputs)
            result.prompts.extend(plan.prompts)
            rows, self._took = self._context.batch.count, result.at - began
            if self.calm:
                self._pace.note(plan.decoding, rows - plan.decoding, self._took)
            elif rows == plan.decoding:
                self._pace.note_beside(rows, self._took)
        return code

    def _plan(self, streams: Sequence[Stream], most: int) -> _Plan:
        batch, plan = self._context.batch, _Plan()
        batch.clear()
        waiting = None
        for stream in streams:
            held, tokens = stream.held, stream.tokens
            assert held is not None
            if len(tokens) - held.count == 1:
                row = batch.put(tokens[held.count], held.count, held.id)
                plan.parts.append((stream, 1))
                plan.outputs.append((stream, row))
            else:
                waiting = waiting or []
                waiting.append(stream)
        plan.decoding = batch.count
        if waiting is not None:
            self._fill(plan, waiting, most)
        return plan

    def _fill(self, plan: _Plan, waiting: list[Stream], most: int) -> None:
        batch = self._context.batch
        ahead = [stream for stream in waiting if stream.generated and stream.pending <= _AHEAD]
        for stream in ahead:
            self._extend(plan, stream, batch.room - batch.count)
        prompts = [stream for stream in waiting if stream not in ahead]
        room = min(self._pace.room(plan.decoding + len(ahead)), most, batch.room - batch.count)
        if len(prompts) == 1 and not batch.count:
            room = whole(prompts[0].pending, room, min(most, batch.room))
        for stream, count in _shares(prompts, room):
            self._extend(plan, stream, count)
            plan.prompts.append(stream)

    def _extend(self, plan: _Plan, stream: Stream, most: int) -> None:
        held = stream.held
        assert held is not None
        count = held.until_mark(min(stream.pending, most))
        if count <= 0:
            return
        last = held.count + count == len(stream.tokens)
        tokens = stream.tokens[held.count : held.count + count]
        row = self._context.batch.extend(tokens, held.count, held.id, output=last)
        plan.parts.append((stream, count))
        if last:
            plan.outputs.append((stream, row))

    def _recover(self, code: int, plan: _Plan, result: Result) -> None:
        if code == DONE:
            return
        if self._context.recurrent:
            self._start_over(code, plan, result)
            return
        for stream, _ in plan.parts:
            self._resync(stream)
        if code == ABORTED:
            return
        error = self._context.failure(code)
        if len(plan.parts) == 1:
            result.failed.append((plan.parts[0][0], error))
            return
        for stream, count in plan.parts:
            self._alone(stream, count, result)

    def _start_over(self, code: int, plan: _Plan, result: Result) -> None:
        """Recover with a recurrent memory.

        llama.cpp cannot take back what the step did to its states, and moves those of other
        sequences within it. Nobody can be tried alone, since nobody's state is left.
        """
        self._relief.distrust()
        if code != ABORTED:
            failed = [(stream, self._context.failure(code)) for stream, _ in plan.parts]
            result.failed.extend(failed)

    def _alone(self, stream: Stream, count: int, result: Result) -> None:
        """Evaluate one stream's rows in a batch of their own, for the state it leaves behind."""
        plan = _Plan()
        self._context.batch.clear()
        self._extend(plan, stream, count)
        code = self._evaluate(plan, Result())
        if code != DONE:
            self._resync(stream)
            result.failed.append((stream, self._context.failure(code)))
        elif plan.outputs:
            # The logits are gone with the next batch: its last token is evaluated again.
            self._rewind(stream)

    def _resync(self, stream: Stream) -> None:
        """Take over what the memory really holds after a step that was not finished."""
        held = stream.held
        assert held is not None
        held.count = min(self._context.last(held.id) + 1, len(stream.tokens))
        if held.count == len(stream.tokens):
            self._rewind(stream)

    def _rewind(self, stream: Stream) -> None:
        """Take the last token back, or everything where the memory cannot do that."""
        held = stream.held
        assert held is not None
        held.count = max(0, len(stream.tokens) - 1)
        if not self._context.remove(held.id, held.count):
            held.count = 0
            self._context.remove(held.id, 0)


def _shares(streams: list[Stream], room: int) -> list[tuple[Stream, int]]:
    """Divide `room` tokens: half for the prompt that waits longest, then the shortest first."""
    if not streams:
        return []
    oldest = streams[0]
    counts = {oldest: min(oldest.pending, max(1, room // 2 if len(streams) > 1 else room))}
    room -= counts[oldest]
    for stream in sorted(streams, key=lambda stream: stream.pending):
        more = min(stream.pending - counts.get(stream, 0), room)
        counts[stream] = counts.get(stream, 0) + more
        room -= more
    return [(stream, count) for stream, count in counts.items() if count > 0]
