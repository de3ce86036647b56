"""Portal: the event loop of a model, called from other threads."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from penstock.errors import ModelClosed

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from penstock.model import Model

__all__ = ["Portal", "started"]

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


def started(exits: ExitStack) -> BlockingPortal:
    """Start an event loop in a thread of its own; it ends with `exits`.

    Ctrl-C, which the main thread alone gets, is raised when it has started, and can be ended.
    """
    from concurrent.futures import ThreadPoolExecutor

    from anyio.from_thread import start_blocking_portal  # 25 ms that only this façade pays

    # Interrupted while its loop starts, anyio waits for the end of a thread that nobody ends.
    with ThreadPoolExecutor(1) as starter:
        return starter.submit(exits.enter_context, start_blocking_portal()).result()


class Portal:
    """The way into the event loop, in a thread of its own, that runs a model."""

    def __init__(self, inner: BlockingPortal, model: Model) -> None:
        self._inner = inner
        self._model = model
        self._process = os.getpid()

    def call(self, function: Callable[[*Ts], Awaitable[R]], *arguments: *Ts) -> R:
        """Call it there, and wait. Raises `ModelClosed` where that loop does not run any more."""
        self._model.assert_open()
        return self._inner.call(function, *arguments)

    def call_anyhow(self, function: Callable[[], Awaitable[R]]) -> R:
        """Call it there, or else in a loop of its own: what needs no engine."""
        try:
            return self.call(function)
        except ModelClosed:
            with ExitStack() as exits:
                return started(exits).call(function)

    def is_lost(self) -> bool:
        """Whether this is a fork, which has no such thread; from then on, nobody waits for it."""
        if os.getpid() == self._process:
            return False
        with suppress(StopIteration):
            self._inner.stop().send(None)  # a coroutine that waits for nothing
        return True
