"""What a stream is to a person: a screen to draw on, in colours or without, or a plain file."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["columns", "harmless", "has_colours", "is_screen", "readable", "unechoed"]

_SHOWN: dict[int, int | None] = {
    code: 0x2400 + code if code < 0x20 else 0xFFFD
    for code in (*range(0x20), *range(0x7F, 0xA0))
    if chr(code) not in "\t\n"
} | {ord("\r"): None}
"""Unicode has a picture of each control character; before a line end, a return means nothing."""


def is_screen(stream: TextIO) -> bool:
    """Whether lines of `stream` can be rewritten: it is a terminal, and not a dumb one."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colours(stream: TextIO) -> bool:
    """Whether `stream` is to be coloured: it is a screen, and NO_COLOR is not set."""
    return is_screen(stream) and not os.environ.get("NO_COLOR")


def columns(screen: TextIO) -> int:
    """Return how many columns a screen has now; it may change at any time.

    One that does not tell, as on a serial line, has what the environment says, or else 80.
    """
    try:
        told = os.get_terminal_size(screen.fileno()).columns
    except OSError:  # it is none
        told = 0
    return told or shutil.get_terminal_size().columns


def readable(text: str) -> str:
    """Return what was typed, or given as an argument, with U+FFFD for bytes that are no text."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def harmless(text: str) -> str:
    """Return a text whose control characters cannot command a terminal: they are shown instead."""
    return text.translate(_SHOWN)


@contextmanager
def unechoed(keyboard: TextIO) -> Iterator[None]:
    """Keep what is typed meanwhile off the screen; it waits for whoever reads next."""
    try:
        import termios
    except ImportError:  # no such terminals here
        yield
        return
    if not keyboard.isatty():
        yield
        return
    usual = termios.tcgetattr(keyboard)
    silent = list(usual)
    # Key by key, or the terminal would show nothing of a line that is not complete to the next
    # reader. Ctrl-C stays a signal.
    silent[3] &= ~(termios.ECHO | termios.ICANON)

    def silence() -> None:
        if _in_front(keyboard):
            termios.tcsetattr(keyboard, termios.TCSADRAIN, silent)

    with _resumed(silence):
        silence()
        try:
            yield
        finally:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, usual)


def _in_front(keyboard: TextIO) -> bool:
    """Whether the terminal is ours to set up; it is not once a shell has put us behind, by `bg`."""
    try:
        return os.tcgetpgrp(keyboard.fileno()) == os.getpgrp()
    except OSError:  # no shell shares it out
        return True


@contextmanager
def _resumed(again: Callable[[], None]) -> Iterator[None]:
    """Do something again where the process was stopped, as by Ctrl-Z, and goes on."""
    usual = signal.signal(signal.SIGCONT, lambda *_: again())
    try:
        yield
    finally:
        signal.signal(signal.SIGCONT, usual)
