"""One generation as its producer sees it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from penstock.backend import CancelFlag
from penstock.errors import EngineError, PenstockError
from penstock.events import EngineEvent
from penstock.request import Request, Sampling
from penstock.streams.assembly import Assembly
from penstock.streams.channel import Channel, Outcome
from penstock.streams.timing import Trace

__all__ = ["Job"]


class Job:
    """What to generate, where it goes, and whether anybody still wants it.

    `request` may be a function that makes it, and `renders` says so: it is called by the producer
    just before the work starts, off the event loop, since a template may take a while.
    """

    __slots__ = ("_request", "assembly", "cancel", "channel", "renders", "trace")

    def __init__(
        self, request: Request | Callable[[], Request], sampling: Sampling, *, shaped: bool = False
    ) -> None:
        self._request = request
        self.renders = callable(request)
        self.trace = Trace()
        self.assembly = Assembly(sampling, trace=self.trace, shaped=shaped)
        self.channel = Channel()
        self.cancel = CancelFlag()

    def admit(self) -> Request | None:
        """Note that the engine takes this up; None if nobody wants it any more."""
        if self.channel.left:
            return None
        self.trace.admit(perf_counter())
        return self._request() if callable(self._request) else self._request

    def deliver(self, event: EngineEvent) -> bool:
        """Pass one event on; return whether to go on."""
        delta = self.assembly.feed(event)
        if delta is not None:
            self.channel.put(delta)
        return self.assembly.finish is None and not self.channel.left

    def end(self, error: BaseException | None = None) -> None:
        """Say how it ended, and that the engine is free."""
        if not self.channel.left:  # after an error too: what was held back was generated
            delta = self.assembly.end()
            if delta is not None:
                self.channel.put(delta)
        self.trace.finish(perf_counter())
        self.channel.finish(Outcome(None if error is None else _of_our_tree(error)))
        self.channel.rest()


def _of_our_tree(error: BaseException) -> BaseException:
    if isinstance(error, PenstockError):
        return error
    wrapped = EngineError(f"the engine failed: {error!r}")
    wrapped.__cause__ = error
    return wrapped
