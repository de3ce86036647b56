"""What tests of this backend need: contexts that fail when they are told to."""

from __future__ import annotations

from collections import deque

from penstock.errors import EngineError, LoadError

from penstock_llamacpp.context import Context, Shape
from penstock_llamacpp.gate import Gate
from penstock_llamacpp.options import LoadOptions
from penstock_llamacpp.side import Desk, Job, Side
from penstock_llamacpp.tray import Tray
from penstock_llamacpp.weights import Weights

__all__ = ["BrokenDesk", "FaultyContext"]


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


class BrokenDesk(Desk):
    """Makes contexts that fail behind so many `chunks`; None is: it cannot make any."""

    def __init__(self, desk: Desk, chunks: int | None) -> None:
        self._desk = desk
        self._chunks = chunks

    def side(self, cells: int, gate: Gate, tray: Tray) -> Side:
        if self._chunks is None:
            raise LoadError("there is no memory for a context")
        return _BrokenSide(self._desk.side(cells, gate, tray), self._chunks)


class _BrokenSide(Side):
    def __init__(self, side: Side, chunks: int) -> None:
        self._side = side
        self._chunks = chunks
        self.cells = side.cells

    def fill(self, job: Job) -> None:
        if not self._chunks:
            raise EngineError("llama.cpp failed")
        job.end = min(job.end, job.done + 128 * self._chunks)
        self._side.fill(job)

    def close(self) -> None:
        self._side.close()
