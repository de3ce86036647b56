"""Echo engines that break one law each: they show that the checks can fail.

A check that no broken engine fails proves nothing, and one that fails for another law's fault
points the wrong way; so each of these must fail exactly its own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from random import Random

from penstock.backend import Activity, AnyEngine, CancelFlag
from penstock.errors import Unsupported
from penstock.events import Delta, Embeddings, EngineEvent, Finish, Prefill, Token, Usage
from penstock.request import Request, Sampling
from penstock.streams.assembly import Assembly
from penstock.streams.timing import Trace
from penstock.testing.echo import EchoEngine, EchoThreadEngine, Script
from penstock.values import dataclass

__all__ = ["BROKEN", "Broken"]


@dataclass(frozen=True, slots=True)
class Broken:
    """A way to be wrong: the law it breaks, and an engine that does, around a script."""

    law: int
    fault: str
    engine: Callable[[Script], AnyEngine]


class FakeStreaming(EchoThreadEngine):
    """Generates first, and streams afterwards."""

    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        """Keep back the first sixty events until they are all there."""
        events = super().generate(request, cancel)
        yield from list(islice(events, 60))
        yield from events


class _Shaped(EchoThreadEngine):
    """Does the text work itself, and so can get it wrong."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        able = replace(self.info.capabilities, shapes=True)
        self.info = replace(self.info, capabilities=able)

    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        """Pass on shaped deltas and the finish they lead to."""
        assembly = Assembly(self.wrong(request.sampling), trace=Trace())
        for event in super().generate(request, cancel):
            if isinstance(event, Prefill):
                yield event
            delta = assembly.feed(event)
            if delta is not None:
                yield delta
            if assembly.finish is not None:
                break
        rest = assembly.end()
        if rest is not None:
            yield rest
        yield assembly.finish or Finish()

    def wrong(self, sampling: Sampling) -> Sampling:
        """Return the options as this engine misreads them."""
        return sampling


class StopLeaked(_Shaped):
    """Emits the stop string."""

    def wrong(self, sampling: Sampling) -> Sampling:
        """Keep the stop string whatever was asked for."""
        return Sampling(include_stop=True).over(sampling)


class LimitIgnored(_Shaped):
    """Goes on beyond `max_tokens`."""

    def wrong(self, sampling: Sampling) -> Sampling:
        """Forget the limit."""
        return sampling.without(frozenset({"max_tokens"}))


class NotStopped(EchoThreadEngine):
    """Goes on working after it was left."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self._closing = threading.Event()
        self._zombies: list[threading.Thread] = []
        self._tokens = 0

    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        """Count on in a thread of its own when the consumer leaves."""
        try:
            for event in super().generate(request, cancel):
                self._tokens += isinstance(event, Token)
                yield event
        finally:
            if cancel:
                self._zombies.append(threading.Thread(target=self._go_on))
                self._zombies[-1].start()

    def activity(self) -> Activity:
        """Tell of the work that goes on."""
        return Activity(sum(zombie.is_alive() for zombie in self._zombies), self._tokens)

    def close(self) -> None:
        """Stop at last."""
        self._closing.set()
        for zombie in self._zombies:
            zombie.join()

    def _go_on(self) -> None:
        while not self._closing.wait(0.001):
            self._tokens += 1


class TwoEnds(EchoEngine):
    """Finishes twice."""

    async def generate(self, request: Request) -> AsyncIterator[EngineEvent]:
        """Say so twice."""
        async for event in super().generate(request):
            yield event
        yield Finish()
        yield Finish()


class ErrorSwallowed(EchoThreadEngine):
    """Ends as if all were well when it fails."""

    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        """Say nothing of the failure."""
        try:
            yield from super().generate(request, cancel)
        except RuntimeError:
            yield Finish()


class LoopBlocked(EchoEngine):
    """Works in the event loop's thread."""

    async def generate(self, request: Request) -> AsyncIterator[EngineEvent]:
        """Hold up everybody at the twentieth event."""
        at = 0
        async for event in super().generate(request):
            at += 1
            if at == 20:
                time.sleep(0.3)  # noqa: ASYNC251  # this is the fault
            yield event


class LoopHeld(EchoEngine):
    """Computes every event in the event loop's thread."""

    async def generate(self, request: Request) -> AsyncIterator[EngineEvent]:
        """Hold up everybody for a little, again and again."""
        async for event in super().generate(request):
            time.sleep(0.03)  # noqa: ASYNC251  # this is the fault
            yield event


class ThreadLeaked(EchoEngine):
    """Leaves a thread behind when it is closed."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        threading.Thread(target=time.sleep, args=(10,), daemon=True, name="leaked").start()


class Unbounded(EchoThreadEngine):
    """Works ahead of its consumer without end."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self._tokens = 0
        self._running = 0

    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        """Yield from a buffer that a thread fills as fast as it can."""
        buffer: deque[EngineEvent | Exception | None] = deque()
        left = CancelFlag()
        worker = threading.Thread(target=self._fill, args=(request, left, buffer))
        worker.start()
        try:
            yield from self._drain(buffer, cancel)
        finally:
            left.set()
            worker.join()

    def activity(self) -> Activity:
        """Tell how far ahead it is."""
        return Activity(self._running, self._tokens)

    def _fill(
        self,
        request: Request,
        left: CancelFlag,
        buffer: deque[EngineEvent | Exception | None],
    ) -> None:
        self._running += 1
        try:
            for event in islice(super().generate(request, left), 2000):
                self._tokens += isinstance(event, Token)
                buffer.append(event)
            buffer.append(None)
        except Exception as error:  # noqa: BLE001  # raised where it is read
            buffer.append(error)
        finally:
            self._running -= 1

    @staticmethod
    def _drain(
        buffer: deque[EngineEvent | Exception | None], cancel: CancelFlag
    ) -> Iterator[EngineEvent]:
        while not cancel:
            if not buffer:
                cancel.wait(0.0005)
                continue
            event = buffer.popleft()
            if event is None:
                return
            if isinstance(event, Exception):
                raise event
            yield event


class SplitCharacter(EchoThreadEngine):
    """Decodes every token by itself."""

    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        """Yield text that has lost the characters on the seams."""
        for event in super().generate(request, cancel):
            if isinstance(event, Token):
                yield Delta(event.data.decode("utf-8", "replace"), 1, (event.id,), event.at)
            else:
                yield event


class OptionDropped(EchoThreadEngine):
    """Says it honours a seed, and does not."""

    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        """Sample with a seed of its own."""
        own = Sampling(seed=Random().randrange(2**32 - 1)).over(request.sampling)
        yield from super().generate(replace(request, sampling=own), cancel)


class Misdescribed(EchoThreadEngine):
    """Says that it honours an option that there is not."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        able = self.info.capabilities
        able = replace(able, options=able.options | {"temprature"})
        self.info = replace(self.info, capabilities=able)


class EmbedMissing(EchoThreadEngine):
    """Says that it gives vectors, and does not."""

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Refuse."""
        raise Unsupported(f"no vectors for {texts!r}")


class TokensLost(EchoThreadEngine):
    """Says that it can tokenize, and cannot go back."""

    def detokenize(self, ids: list[int]) -> bytes:
        """Return the bytes of all but the first."""
        return super().detokenize(ids[1:])


class UsageInvented(EchoThreadEngine):
    """Tells figures that cannot be."""

    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        """Finish with a usage of nothing, unless it is left, which is another law's matter."""
        yield from super().generate(request, cancel)
        if not cancel:
            yield Finish(usage=Usage(prompt_tokens=0, completion_tokens=0))


class Forgetful(EchoThreadEngine):
    """Sees only the last message."""

    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        """Answer what was said last, and nothing before."""
        said = [segment for segment in request.prompt if not segment.control]
        yield from super().generate(replace(request, prompt=tuple(said[-1:])), cancel)


BROKEN: tuple[Broken, ...] = (
    Broken(2, "fake streaming", FakeStreaming),
    Broken(3, "two ends", TwoEnds),
    Broken(4, "stop leaked", StopLeaked),
    Broken(5, "split character emitted", SplitCharacter),
    Broken(6, "engine not stopped on leaving", NotStopped),
    Broken(7, "error swallowed", ErrorSwallowed),
    Broken(8, "unbounded buffer", Unbounded),
    Broken(9, "max_tokens ignored", LimitIgnored),
    Broken(10, "option dropped in silence", OptionDropped),
    Broken(10, "option that there is not", Misdescribed),
    Broken(10, "declared ability missing", EmbedMissing),
    Broken(11, "chat without memory", Forgetful),
    Broken(12, "usage invented", UsageInvented),
    Broken(12, "tokens lost on the way back", TokensLost),
    Broken(13, "event loop blocked", LoopBlocked),
    Broken(13, "event loop held at every event", LoopHeld),
    Broken(13, "thread leaked", ThreadLeaked),
)
"""One engine for each fault. Law 1 holds by construction: core joins what it delivered."""
