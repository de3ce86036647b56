"""Shows how far loading has come: a bar on a terminal, lines anywhere else."""

from __future__ import annotations

import threading
from typing import TextIO

from penstock.backend import LoadProgress
from penstock.cli.terminal import columns, is_screen
from penstock.sizes import human

__all__ = ["ProgressDisplay"]

CLEAR = "\r\x1b[K"
WIDTH = 24
LOGGED = ("downloading", "verifying")
"""Phases that a log tells of: those that may take minutes."""
TENTHS = 10


class ProgressDisplay:
    """Progress on `stream`: one line of a terminal, rewritten; a line for each tenth in a log.

    With `quiet`, nothing at all. Called from any thread.
    """

    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        self._stream = stream
        self._quiet = quiet
        self._terminal = is_screen(stream)
        self._logged: tuple[str, int] | None = None
        self._lock = threading.Lock()

    def show(self, progress: LoadProgress) -> None:
        """Show a phase and its share, with bytes and rate where there are some."""
        with self._lock:
            if self._terminal:
                self._write(f"{CLEAR}{_fitting(progress, columns(self._stream) - 1)}")
            else:
                self._log(progress)

    def clear(self) -> None:
        """Leave the line of a terminal empty."""
        if self._terminal:
            self._write(CLEAR)

    def _log(self, progress: LoadProgress) -> None:
        tenth = progress.phase, int(progress.fraction * TENTHS)
        if progress.phase in LOGGED and tenth != self._logged:
            self._logged = tenth
            self._write(f"{_words(progress)}\n")

    def _write(self, text: str) -> None:
        if not self._quiet:
            self._stream.write(text)
            self._stream.flush()


def _fitting(progress: LoadProgress, room: int) -> str:
    """Return the line of a terminal, cut to the room it has: one that wraps cannot be rewritten."""
    words = _words(progress)
    if progress.total is None:
        return words[:room]
    done = round(progress.fraction * WIDTH)
    head, _, tail = words.partition("%")
    return f"{head}% {'━' * done}{'─' * (WIDTH - done)}{tail}"[:room]


def _words(progress: LoadProgress) -> str:
    words = [f"{progress.phase} {progress.fraction:.0%}"]
    if progress.bytes is not None:
        of_all = "" if progress.total is None else f" of {human(progress.total)}"
        words.append(f"{human(progress.bytes)}{of_all}")
    if progress.rate:
        words.append(f"{human(progress.rate)}/s")
    if progress.file:
        words.append(progress.file)
    return "  ".join(words)
