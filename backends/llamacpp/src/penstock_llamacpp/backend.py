"""The backend: from a path to an engine, on a worker thread, with progress and cancellation."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
from anyio import from_thread
from penstock import cores, gguf
from penstock.backend import Backend, Finding, LoadProgress, ModelSpec, ProgressSink
from penstock.errors import EngineError, LoadError

from penstock_llamacpp import devices, probe
from penstock_llamacpp.context import Context, Shape
from penstock_llamacpp.embedding import EncoderEngine
from penstock_llamacpp.engine import LlamaCppEngine
from penstock_llamacpp.library import Library, load_library, version
from penstock_llamacpp.options import LoadOptions
from penstock_llamacpp.weights import Weights

__all__ = ["LlamaCpp"]

_KEPT, _KEPT_STATES = 8, 3
"""Sequences beyond those that run, for kept prefixes; a recurrent model takes memory for each."""

_CHEAP = 2**28
"""Bytes of keys and values that are taken without being asked for."""


class LlamaCpp(Backend):
    """Loads GGUF files with llama.cpp. `context` is what makes their contexts."""

    def __init__(self, context: type[Context] = Context) -> None:
        self._context = context

    async def load(self, spec: ModelSpec, progress: ProgressSink) -> LlamaCppEngine | EncoderEngine:
        """Load the file at `spec.path`, reporting the phases `loading` and `warming`.

        Raises `UsageError` for a wrong option, `ModelNotFound`, `InvalidModel` or `LoadError`.
        Cancelled, it returns when llama.cpp has stopped loading, and leaves nothing behind.
        """
        path, options = spec.file(), LoadOptions.of(spec.options)
        loading = _Loading(path, options, spec.device, progress, self._context)
        try:
            return await anyio.to_thread.run_sync(loading.run)
        except BaseException:
            loading.abandon()
            raise

    def diagnose(self) -> Iterator[Finding]:
        """Look at the library: release, features of the build, devices, and whether it runs.

        Takes a second: a tiny model is evaluated in a child process, where a crash does no harm.
        A library that crashes there is not loaded here.
        """
        if override := os.environ.get("LLAMA_CPP_LIB_PATH"):
            yield Finding("LLAMA_CPP_LIB_PATH", f"{override}: of the same release?", ok=False)
        try:
            yield Finding("llama-cpp-python", version())
            fault = probe.probe()
            yield Finding("llama.cpp probe", fault or "it evaluates a quantised model", not fault)
            if not fault:
                yield from _findings(load_library())
        except LoadError as error:
            yield Finding("llama-cpp-python", str(error), ok=False)


def _findings(library: Library) -> Iterator[Finding]:
    yield Finding("llama.cpp", library.version().decode("utf-8", "replace"))
    yield Finding("llama.cpp build", library.system_info().decode("utf-8", "replace").strip())
    for device in devices.listed(library):
        yield Finding("llama.cpp device", str(device))
    yield Finding("llama.cpp GPU support", "yes" if library.supports_gpu() else "no")
    yield Finding("llama.cpp threads", str(cores.usable_cores()))


class _Loading:
    """One load, on a worker thread. What it has made is freed unless `run` returns it."""

    def __init__(
        self,
        path: Path,
        options: LoadOptions,
        device: str,
        progress: ProgressSink,
        context: type[Context],
    ) -> None:
        self._context = context
        self._path = path
        self._options = options
        self._device = device
        self._progress = progress
        self._share = -1.0
        self._failure: BaseException | None = None
        self._abandoned = threading.Event()

    def abandon(self) -> None:
        """Tell the thread that nobody waits for it any more."""
        self._abandoned.set()

    def run(self) -> LlamaCppEngine | EncoderEngine:
        gguf.check(self._path)
        with ExitStack() as stack:
            engine = self._build(stack)
            self._report("warming", 0.0)
            try:
                engine.warm_up()
            except EngineError as error:
                raise LoadError(f"the model does not run: {error}") from error
            self._report("warming", 1.0)
            self._assert_wanted()
            stack.pop_all()
            return engine

    def _build(self, stack: ExitStack) -> LlamaCppEngine | EncoderEngine:
        weights = self._weights()
        stack.callback(weights.close)
        count = self._options.n_threads or cores.default_threads(weights.size)
        if not weights.generates:
            return EncoderEngine(weights, self._options, count)
        context = self._context(weights, self._options, count, self._shape(weights))
        stack.callback(context.close)  # runs before the one for the weights
        engine = LlamaCppEngine(weights, context, self._options, count)
        stack.callback(engine.close)
        return engine

    def _weights(self) -> Weights:
        library = load_library()
        choice = devices.choose(devices.listed(library), self._device)
        try:
            weights = Weights(
                library, self._path, self._options, choice=choice, keep_going=self._keep_going
            )
        except LoadError:
            if self._failure is not None:
                raise self._failure from None
            raise
        self._keep_going(1.0)
        return weights

    def _shape(self, weights: Weights) -> Shape:
        options = self._options
        length = options.context_length(weights.trained_context)
        cells = max(options.n_cells or _cells(weights, length, options.parallel), length)
        self._refuse_beyond_memory(weights, cells)
        kept = _KEPT_STATES if weights.recurrent else _KEPT
        return Shape(length, cells, options.parallel + kept)

    def _refuse_beyond_memory(self, weights: Weights, cells: int) -> None:
        needed, there = weights.context_bytes(cells), _memory()
        # Linux grants memory that it does not have, and kills the process when it is used.
        if there is not None and needed > there and cells > weights.trained_context:
            raise LoadError(
                f"a context of {cells} tokens needs about {needed / 2**30:,.0f} GiB, and this "
                f"machine has {there / 2**30:,.0f}",
                hint=f"Set n_ctx; the model was trained with {weights.trained_context}",
            )

    def _keep_going(self, share: float) -> bool:
        # Called by C: an exception would be printed and lost, so it is raised after the call.
        try:
            self._assert_wanted()
            self._report("loading", min(1.0, max(0.0, share)))
        except BaseException as error:  # noqa: BLE001  # cancellation too
            self._failure = error
        return self._failure is None

    def _assert_wanted(self) -> None:
        from_thread.check_cancelled()
        if self._abandoned.is_set():
            raise LoadError("loading was cancelled")

    def _report(self, phase: str, share: float) -> None:
        # One call per hundredth: llama.cpp reports every tensor.
        if phase != "loading" or share == 1.0 > self._share or share >= self._share + 0.01:
            self._share = share
            self._progress(LoadProgress(phase, share))


def _cells(weights: Weights, length: int, parallel: int) -> int:
    """Return how many tokens all generations share: room for all where that is cheap."""
    affordable = _CHEAP * length // max(1, weights.context_bytes(length))
    return max(length, min(length * parallel, affordable))


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
