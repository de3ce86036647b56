"""What tests of this backend need: a context that fails when it is told to."""

from __future__ import annotations

from collections import deque

from penstock_llamacpp.context import Context, Shape
from penstock_llamacpp.options import LoadOptions
from penstock_llamacpp.weights import Weights

__all__ = ["FaultyContext"]


class FaultyContext(Context):
    """A context with a script for its next evaluations.

    An entry is a code that `decode` returns without evaluating anything, an exception that it
    raises, or None for an evaluation as usual; after the script, all are as usual.
    """

    def __init__(self, weights: Weights, options: LoadOptions, threads: int, shape: Shape) -> None:
        super().__init__(weights, options, threads, shape)
        self.script: deque[int | Exception | None] = deque()

    def decode(self) -> int:
        entry = self.script.popleft() if self.script else None
        if isinstance(entry, Exception):
            raise entry
        return super().decode() if entry is None else entry
