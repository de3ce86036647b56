"""Opens the model that a command works with, and shows how far that is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from penstock import sync
from penstock.cli.options import load_options
from penstock.cli.progress import ProgressDisplay
from penstock.request import Sampling

__all__ = ["opened"]


@contextmanager
def opened(
    target: str | None,
    *,
    device: str | None,
    options: Iterable[str] | None,
    sampling: Sampling,
    quiet: bool,
) -> Iterator[sync.Model]:
    """Load the model; free it afterwards. Raises what `penstock.load` does."""
    display = ProgressDisplay(sys.stderr, quiet=quiet)
    loading = sync.load(
        target,
        device=device,
        options=load_options(options),
        sampling=sampling,
        on_progress=display.show,
    )
    with ExitStack() as stack:
        try:
            model = stack.enter_context(loading)
        finally:
            display.clear()
        yield model
