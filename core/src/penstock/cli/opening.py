"""Opens the models that a command works with, and shows how far that is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import field

from penstock import sync
from penstock.backend import OptionValue
from penstock.cli.progress import ProgressDisplay
from penstock.request import Deadlines, Sampling
from penstock.values import dataclass

__all__ = ["Opening"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a command opens models: what its options say, whatever the model is.

    `options` are those of one backend: they are for the first model.
    """

    device: str | None = None
    options: Mapping[str, OptionValue] = field(default_factory=dict, repr=False)
    sampling: Sampling = Sampling()
    deadlines: Deadlines = Deadlines()
    quiet: bool = False

    @contextmanager
    def opened(self, target: str | None) -> Iterator[sync.Model]:
        """Load the model; free it afterwards. Raises what `penstock.load` does."""
        display = ProgressDisplay(sys.stderr, quiet=self.quiet)
        loading = sync.load(
            target,
            device=self.device,
            options=self.options,
            sampling=self.sampling,
            deadlines=self.deadlines,
            on_progress=display.show,
        )
        with ExitStack() as stack:
            try:
                model = stack.enter_context(loading)
            finally:
                display.clear()
            yield model
