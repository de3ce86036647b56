"""Side: a second context of a model, in which a prompt is evaluated in turns."""

from __future__ import annotations

import logging
from array import array
from dataclasses import dataclass, replace
from typing import Any, Protocol

from penstock_llamacpp.context import ABORTED, DONE, Context, Shape
from penstock_llamacpp.gate import Gate
from penstock_llamacpp.options import LoadOptions
from penstock_llamacpp.shelf import State
from penstock_llamacpp.tiles import TILE
from penstock_llamacpp.tray import Tray
from penstock_llamacpp.weights import Weights

__all__ = ["Desk", "Job", "LlamaDesk", "Side"]

_LOG = logging.getLogger("penstock.llamacpp")

_CHUNK = 128
"""Tokens of a chunk: more take no less time each, and longer between two nodes."""

_MOST = _CHUNK + TILE
"""Tokens of the largest chunk: one that would leave a last one too small takes that too."""


@dataclass(slots=True, eq=False)
class Job:
    """A prompt to evaluate: the first `end` of `tokens`, of which `state` holds the first `done`.

    Both go on while it is evaluated: `done` with every chunk, `state` at the end. It is `over`
    when it is finished, or cannot go on; `unwanted` when nobody wants what it would bring.
    """

    tokens: array[int]
    end: int
    done: int = 0
    state: State | None = None
    over: bool = False
    unwanted: bool = False


class Side(Protocol):
    """The second context."""

    cells: int

    def fill(self, job: Job) -> None:
        """Evaluate what `job` asks for; stop early where the gate says so, or a step fails."""

    def close(self) -> None:
        """Free it."""


class Desk(Protocol):
    """What makes and frees second contexts, on the worker's thread."""

    def side(self, cells: int, gate: Gate, tray: Tray) -> Side:
        """Return a context with room for so many tokens. Raises `PenstockError`."""


class LlamaDesk:
    """Makes second contexts of one model."""

    def __init__(self, weights: Weights, options: LoadOptions, threads: int, length: int) -> None:
        self._weights = weights
        self._options = replace(options, n_batch=_MOST, n_ubatch=min(options.n_ubatch, _MOST))
        self._threads = threads
        self._length = length

    def side(self, cells: int, gate: Gate, tray: Tray) -> Side:
        room = min(cells, self._length)
        shape = Shape(length=room, cells=room, sequences=1)
        return _Side(self._weights, self._options, self._threads, shape, gate, tray)


class _Side(Context):
    """A context with one sequence, which stands still when the gate says so."""

    def __init__(
        self,
        weights: Weights,
        options: LoadOptions,
        threads: int,
        shape: Shape,
        gate: Gate,
        tray: Tray,
    ) -> None:
        self._gate = gate
        self._tray = tray
        super().__init__(weights, options, threads, shape)
        self.own()

    def fill(self, job: Job) -> None:
        self.remove(0, 0)
        if job.state is not None and not self.restore(0, job.state):
            job.done = 0
        before, job.state = job.done, None
        while job.done < job.end:
            size = _next(job.end - job.done)
            self.batch.clear()
            self.batch.extend(job.tokens[job.done : job.done + size], job.done, 0, output=False)
            code = self.decode()
            if code != DONE:
                self._tell(code)
                break
            job.done += size
        if job.done > before:
            job.state = self._tray.take(self, 0, self._gate.passes)

    def _tell(self, code: int) -> None:
        if code != ABORTED:
            _LOG.warning("a prompt goes on among the others: %s", self.failure(code))

    def _arm(self, params: Any, structs: Any) -> None:
        gate = self._gate
        self._callback = structs.ggml_abort_callback(lambda _data: not gate.passes())
        params.abort_callback = self._callback


def _next(left: int) -> int:
    return left if left < _MOST else _CHUNK
