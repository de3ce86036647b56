"""One generation as its producer sees it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from penstock.backend import CancelFlag
from penstock.errors import BackendBug, ContextOverflow, EngineError, PenstockError
from penstock.events import EngineEvent
from penstock.request import Request, Sampling
from penstock.streams.assembly import assembly_of, unlike
from penstock.streams.channel import Channel, Outcome
from penstock.streams.timing import Trace

__all__ = ["Job"]


class Job:
    """What to generate, where it goes, and whether anybody still wants it.

    `request` may be a function that makes it, and `renders` says so: it is called by the producer
    off the event loop, since a template may take a while. `on_end` is told, on the thread that ends
    it. This is the `Ticket` of batching engines.

    `on_overflow` is asked when the prompt is too long and nothing was generated: True is that the
    job will be started again, with another request, and has not ended.
    """

    __slots__ = (
        "_ended",
        "_request",
        "assembly",
        "cancel",
        "channel",
        "on_end",
        "on_overflow",
        "renders",
        "trace",
    )

    def __init__(
        self, request: Request | Callable[[], Request], sampling: Sampling, *, shaped: bool = False
    ) -> None:
        self._ended = False
        self.on_end: Callable[[Job], object] | None = None
        self.on_overflow: Callable[[Job, ContextOverflow], bool] | None = None
        self.ask(request)
        self.trace = Trace()
        self.assembly = assembly_of(sampling, trace=self.trace, shaped=shaped)
        self.channel = Channel()
        self.cancel = CancelFlag()

    def ask(self, request: Request | Callable[[], Request]) -> None:
        """Set what to generate, before the job is started, or started again."""
        self._request = request
        self.renders = callable(request)

    def request(self) -> Request:
        """Return what to generate. Raises what a template raises."""
        return self._request() if callable(self._request) else self._request

    def admit(self) -> bool:
        """Note that the engine takes this up; return whether anybody still wants it."""
        if self.channel.left:
            return False
        self.trace.admit(perf_counter())
        return True

    def deliver(self, event: EngineEvent, *, quietly: bool = False) -> bool:
        """Pass one event on; return whether to go on. After the end, nothing counts."""
        if self._ended:
            return False
        try:
            delta = self.assembly.feed(event)
        except PenstockError:
            raise
        except Exception as error:  # what only looks like an event
            raise unlike(event) from error
        if delta is not None:
            self.channel.put(delta, quietly=quietly)
        return self.assembly.finish is None and not self.channel.left

    def wake(self) -> None:
        """Wake a reader who sleeps though something was delivered."""
        self.channel.nudge()

    def end(self, error: BaseException | None = None) -> None:
        """Say how it ended, and that the engine is free. Only the first call counts."""
        if self._ended or self._goes_on(error):
            return
        self._ended = True
        if not self.channel.left:  # after an error too: what was held back was generated
            delta = self.assembly.end()
            if delta is not None:
                self.channel.put(delta)
        self.trace.finish(perf_counter())
        self.channel.finish(Outcome(None if error is None else _of_our_tree(error)))
        self.channel.rest()
        if self.on_end is not None:
            self.on_end(self)

    def _goes_on(self, error: BaseException | None) -> bool:
        if self.on_overflow is None or not isinstance(error, ContextOverflow):
            return False
        if self.trace.tokens or self.left:
            return False
        if self.on_end is not None:  # this attempt is over; it may be started again at once
            self.on_end(self)
        return self.on_overflow(self, error)

    @property
    def left(self) -> bool:
        """Whether nobody wants it any more."""
        return self.channel.left

    @property
    def full(self) -> bool:
        """Whether its reader is so far behind that the engine should pause."""
        return self.channel.full

    def on_leave(self, call: Callable[[], object]) -> None:
        """Have `call` made, from any thread, when nobody wants it any more."""
        self.channel.on_leave(call)

    def when_room(self, call: Callable[[], object]) -> None:
        """Have `call` made once, from any thread, when its reader has caught up or left."""
        self.wake()  # who sleeps beside what was delivered quietly would never catch up
        self.channel.when_room(call)


def _of_our_tree(error: object) -> BaseException:
    if isinstance(error, PenstockError):
        return error
    if not isinstance(error, BaseException):
        return BackendBug(f"a ticket was ended with {error!r}", hint="Give end() the error itself")
    wrapped = EngineError(f"the engine failed: {error!r}")
    wrapped.__cause__ = error
    return wrapped
