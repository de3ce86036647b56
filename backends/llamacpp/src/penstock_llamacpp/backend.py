"""The backend: from a path to an engine, on a worker thread, with progress and cancellation."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
from anyio import from_thread
from penstock.backend import Backend, Finding, LoadProgress, ModelSpec, ProgressSink
from penstock.errors import EngineError, LoadError

from penstock_llamacpp import devices, header, probe, threads
from penstock_llamacpp.context import Context
from penstock_llamacpp.engine import LlamaCppEngine
from penstock_llamacpp.library import load_library, version
from penstock_llamacpp.options import LoadOptions
from penstock_llamacpp.weights import Weights

__all__ = ["LlamaCpp"]


class LlamaCpp(Backend):
    """Loads GGUF files with llama.cpp."""

    async def load(self, spec: ModelSpec, progress: ProgressSink) -> LlamaCppEngine:
        """Load the file at `spec.path`, reporting the phases `loading` and `warming`.

        Raises `UsageError` for a wrong option, `ModelNotFound`, `InvalidModel` or `LoadError`.
        Cancelled, it returns when llama.cpp has stopped loading, and leaves nothing behind.
        """
        path, options = _path(spec), LoadOptions.parse(spec.options)
        loading = _Loading(path, options, spec.device, progress)
        try:
            return await anyio.to_thread.run_sync(loading.run)
        except BaseException:
            loading.abandon()
            raise

    def diagnose(self) -> Iterator[Finding]:
        """Look at the library: release, features of the build, and whether it runs at all.

        Takes a second: a tiny model is evaluated in a child process, where a crash does no harm.
        """
        try:
            library = load_library()
        except LoadError as error:
            yield Finding("llama-cpp-python", str(error), ok=False)
            return
        yield Finding("llama-cpp-python", version())
        yield Finding("llama.cpp", library.version().decode("utf-8", "replace"))
        yield Finding("llama.cpp build", library.system_info().decode("utf-8", "replace").strip())
        yield Finding("llama.cpp GPU support", "yes" if library.supports_gpu() else "no")
        yield Finding("llama.cpp threads", str(threads.usable_cores()))
        fault = probe.probe()
        yield Finding("llama.cpp probe", fault or "it evaluates a quantised model", ok=not fault)
        if override := os.environ.get("LLAMA_CPP_LIB_PATH"):
            yield Finding("LLAMA_CPP_LIB_PATH", f"{override}: of the same release?", ok=False)


class _Loading:
    """One load, on a worker thread. What it has made is freed unless `run` returns it."""

    def __init__(
        self, path: Path, options: LoadOptions, device: str, progress: ProgressSink
    ) -> None:
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

    def run(self) -> LlamaCppEngine:
        header.check(self._path)
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

    def _build(self, stack: ExitStack) -> LlamaCppEngine:
        weights = self._weights()
        stack.callback(weights.close)
        count = self._options.n_threads or threads.default_threads(weights.size)
        context = Context(weights, self._options, count, self._length(weights))
        stack.callback(context.close)  # runs before the one for the weights
        return LlamaCppEngine(weights, context, count)

    def _weights(self) -> Weights:
        library = load_library()
        gpu = devices.wants_gpu(library, self._device)
        try:
            weights = Weights(
                library, self._path, self._options, gpu=gpu, keep_going=self._keep_going
            )
        except LoadError:
            if self._failure is not None:
                raise self._failure from None
            raise
        self._keep_going(1.0)
        return weights

    def _length(self, weights: Weights) -> int:
        length = self._options.context_length(weights.trained_context)
        needed, there = weights.context_bytes(length), _memory()
        # Linux grants memory that it does not have, and kills the process when it is used.
        if there is not None and needed > there and length > weights.trained_context:
            raise LoadError(
                f"n_ctx={length} needs about {needed / 2**30:,.0f} GiB, and this machine has "
                f"{there / 2**30:,.0f}",
                hint=f"The model was trained with {weights.trained_context}",
            )
        return length

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


def _path(spec: ModelSpec) -> Path:
    if spec.path is None:
        raise LoadError(
            f"{spec.source!r} names no file on this machine",
            hint="This backend loads GGUF files, as in 'llamacpp:/path/to/model.gguf'",
        )
    return spec.path


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
