"""Opens the model that a command works with, and shows on a terminal how far that is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO

from penstock import sync
from penstock.backend import LoadProgress
from penstock.cli.options import load_options
from penstock.request import Sampling

__all__ = ["LoadLine", "opened"]

CLEAR = "\r\x1b[K"


class LoadLine:
    """One line of a terminal, rewritten while a model loads. Nothing anywhere else."""

    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        self._stream = stream
        self._visible = stream.isatty() and not quiet

    def show(self, progress: LoadProgress) -> None:
        """Show a phase and its share; called from any thread."""
        self._write(f"{CLEAR}{progress.phase} {progress.fraction:.0%}")

    def clear(self) -> None:
        """Leave the line empty."""
        self._write(CLEAR)

    def _write(self, text: str) -> None:
        if self._visible:
            self._stream.write(text)
            self._stream.flush()


@contextmanager
def opened(
    target: str | None,
    *,
    device: str,
    options: Iterable[str] | None,
    sampling: Sampling,
    quiet: bool,
) -> Iterator[sync.Model]:
    """Load the model; free it afterwards. Raises what `penstock.load` does."""
    line = LoadLine(sys.stderr, quiet=quiet)
    loading = sync.load(
        target,
        device=device,
        options=load_options(options),
        sampling=sampling,
        on_progress=line.show,
    )
    with ExitStack() as stack:
        try:
            model = stack.enter_context(loading)
        finally:
            line.clear()
        yield model
