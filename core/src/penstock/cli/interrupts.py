"""Ctrl-C: it stops what is being generated, and leaves the rest of the program alone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from penstock.streams.generation import Generation

__all__ = ["stopped_by_interrupt"]


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
