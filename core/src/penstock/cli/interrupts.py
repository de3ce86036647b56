"""Signals: Ctrl-C stops what is being generated; a termination leaves the terminal as it was."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from penstock.streams.generation import Generation

__all__ = ["stopped_by_interrupt", "terminated_in_order"]


class _Terminated(SystemExit):
    """A termination on its way out; event loops let it pass, as they do with every `SystemExit`."""


@contextmanager
def stopped_by_interrupt(generation: Generation) -> Iterator[None]:
    """Have Ctrl-C stop `generation`; a second one raises `KeyboardInterrupt`, as usual.

    A process told to ignore the signal, as shells tell their background jobs, goes on doing so.
    """
    usual = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.signal(signal.SIGINT, usual)
        generation.stop()

    if usual is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


@contextmanager
def terminated_in_order() -> Iterator[None]:
    """Have SIGTERM end the process only when what is inside has been undone; a second one at once.

    Whoever waits for the process sees what it would see otherwise: the signal has ended it.
    """
    usual = signal.getsignal(signal.SIGTERM)

    def leave(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise _Terminated

    if usual is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except _Terminated:
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, usual)
