"""llama.cpp's log, turned into Python's: whole lines, right levels, nothing on stderr."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Iterator

__all__ = ["NativeLog"]

_CONTINUES = 5
_LEVELS = {1: logging.DEBUG, 2: logging.INFO, 3: logging.WARNING, 4: logging.ERROR}
"""`enum ggml_log_level` of ggml.h; 0 is NONE, 5 continues the line before."""

_KEPT_LINES = 6


class _Stream(threading.local):
    """What one thread has said: a line that has not ended, and its last errors."""

    def __init__(self) -> None:
        self.level = logging.INFO
        self.pending = ""
        self.errors: deque[str] = deque(maxlen=_KEPT_LINES)
        self.heard: list[str] | None = None
        self.quiet = False


class NativeLog:
    """Takes llama.cpp's log callbacks, on any thread, and never raises into C.

    Lines go to `logger`. The errors of each thread are kept until `forget`, for the text of an
    exception.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._stream = _Stream()
        # Without a handler, `logging` would print warnings on stderr itself.
        logger.addHandler(logging.NullHandler())

    def __call__(self, level: int, text: bytes | None, _data: object = None) -> None:
        """Take one message as llama.cpp sends it: a part of a line, a line, or several."""
        # A handler of the user's may fail; ctypes would print the traceback on stderr.
        with contextlib.suppress(Exception):
            self._take(level, (text or b"").decode("utf-8", "replace"))

    def forget(self) -> None:
        """Drop what this thread has said."""
        self._stream.pending = ""
        self._stream.errors.clear()

    def errors(self) -> str:
        """Return this thread's last errors in one line, oldest first; empty if there were none."""
        return "; ".join(self._stream.errors)

    def quieten(self) -> None:
        """Pass this thread's lines on as DEBUG from now on: who works there tells what fails."""
        self._stream.quiet = True

    @contextlib.contextmanager
    def heard(self) -> Iterator[list[str]]:
        """Collect the lines of this thread, but for those of level DEBUG, while the block runs.

        llama.cpp tells some of what it decided (layers on a GPU, memory taken) nowhere else.
        """
        stream = self._stream
        before, stream.heard = stream.heard, []
        try:
            yield stream.heard
        finally:
            stream.heard = before

    def _take(self, level: int, text: str) -> None:
        stream = self._stream
        if level != _CONTINUES:
            self._finish(stream)
            stream.level = _LEVELS.get(level, logging.INFO)
        *lines, stream.pending = (stream.pending + text).split("\n")
        for line in lines:
            self._emit(stream, line)

    def _finish(self, stream: _Stream) -> None:
        line, stream.pending = stream.pending, ""
        self._emit(stream, line)

    def _emit(self, stream: _Stream, line: str) -> None:
        if not line.strip():
            return
        if stream.level >= logging.ERROR:
            stream.errors.append(line.strip())
        if stream.heard is not None and stream.level > logging.DEBUG:
            stream.heard.append(line.strip())
        self._logger.log(logging.DEBUG if stream.quiet else stream.level, "%s", line.rstrip())
