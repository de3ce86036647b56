"""The backend: from a path to an engine, on a worker thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import anyio
from anyio import from_thread
from penstock import cores
from penstock.backend import Backend, Finding, LoadProgress, ModelSpec, ProgressSink
from penstock.errors import EngineError, InvalidModel, LoadError, ModelNotFound

from penstock_ctransformers import ggufs, legacy, library, memory
from penstock_ctransformers.engine import CTransformersEngine
from penstock_ctransformers.library import Config
from penstock_ctransformers.loaded import Loaded, Threads
from penstock_ctransformers.modelfile import ModelFile
from penstock_ctransformers.options import LoadOptions
from penstock_ctransformers.splitting import GptSplitter, NativeSplitter, UnigramSplitter
from penstock_ctransformers.vocabulary import Splitter, Vocabulary

__all__ = ["CTransformers"]

_DEVICES: Final = ("auto", "cpu", "cuda")


class CTransformers(Backend):
    """Loads legacy GGML files, and the GGUF files that there were in 2023, with ctransformers."""

    async def load(self, spec: ModelSpec, progress: ProgressSink) -> CTransformersEngine:
        """Load the file at `spec.path`, reporting the phases `loading` and `warming`.

        Raises `UsageError` for a wrong option, `ModelNotFound`, `InvalidModel` or `LoadError`.
        Cancelled, it returns when the library has loaded, and leaves nothing behind.
        """
        options = LoadOptions.of(spec.options)
        loading = _Loading(spec.file(), options, _device(spec.device, options), progress)
        return await anyio.to_thread.run_sync(loading.run)

    def diagnose(self) -> Iterator[Finding]:
        """Look at the release, the libraries, and which of them this processor runs."""
        try:
            yield Finding("release", library.version())
            there = library.found()
            yield Finding("libraries", ", ".join(there) or "none", ok=bool(there))
            yield Finding("library for this processor", library.choose("auto", "cpu"))
        except LoadError as error:
            yield Finding("release", str(error), ok=False)


class _Loading:
    """One load, on a worker thread. What it has made is freed unless `run` returns it."""

    def __init__(
        self, path: Path, options: LoadOptions, device: str, progress: ProgressSink
    ) -> None:
        self._path = path
        self._options = options
        self._device = device
        self._progress = progress

    def run(self) -> CTransformersEngine:
        file = _read(self._path, self._options)
        self._report("loading", 0.0)
        with ExitStack() as stack:
            engine = self._build(file, stack)
            self._report("loading", 1.0)
            self._report("warming", 0.0)
            try:
                engine.warm_up()
            except EngineError as error:
                raise LoadError(f"the model does not run: {error}") from error
            self._report("warming", 1.0)
            stack.pop_all()
            return engine

    def _build(self, file: ModelFile, stack: ExitStack) -> CTransformersEngine:
        options = self._options
        context = memory.context_of(file, options.n_ctx)
        memory.refuse_beyond(file, context)
        layers = _gpu_layers(file, options) if self._device == "cuda" else 0
        config = Config(context, layers, options.use_mmap, options.use_mlock)
        one = options.n_threads or cores.default_threads(file.bytes)
        threads = Threads(one, options.n_threads_batch or one)
        native = library.open_library(library.choose(options.library, self._device))
        loaded = Loaded(native, file, config, threads)
        stack.callback(loaded.close)
        chunk = memory.chunk_of(file, options.n_batch, loaded.context)
        vocabulary = _vocabulary(loaded)
        return CTransformersEngine(loaded, vocabulary, options, chunk)

    def _report(self, phase: str, share: float) -> None:
        from_thread.check_cancelled()
        self._progress(LoadProgress(phase, share))


def _device(asked: str, options: LoadOptions) -> str:
    if asked not in _DEVICES:
        raise LoadError(
            f"ctransformers has no device {asked!r}", hint=f"It has {', '.join(_DEVICES)}"
        )
    if asked == "auto":
        return "cuda" if options.n_gpu_layers else "cpu"
    return asked


def _gpu_layers(file: ModelFile, options: LoadOptions) -> int:
    asked = -1 if options.n_gpu_layers is None else options.n_gpu_layers
    # Behind the layers come the output, and the keys and values.
    most = file.layers if file.legacy else file.layers + 3
    return most if asked < 0 else min(asked, most)


def _read(path: Path, options: LoadOptions) -> ModelFile:
    if not path.exists():
        raise ModelNotFound(f"there is no file {str(path)!r}", hint="Check the path")
    try:
        if path.is_file() and legacy.is_legacy(path):
            return legacy.read(path, options.model_type)
    except OSError as error:
        raise InvalidModel(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
    return ggufs.read(path)


def _vocabulary(loaded: Loaded) -> Vocabulary:
    words = loaded.file.words
    # Where the file's own spelling is another, the library tells the pieces.
    pieces = words.pieces or tuple(_told(loaded))
    if len(pieces) != loaded.size:
        raise InvalidModel(
            f"ctransformers knows {loaded.size} tokens, and the file has {len(pieces)}",
            hint="Download it again",
        )
    return Vocabulary(words, pieces, _splitter(loaded, pieces))


def _told(loaded: Loaded) -> Iterator[bytes]:
    silent = frozenset(loaded.file.words.control.values())
    return (b"" if at in silent else loaded.piece(at) for at in range(loaded.size))


def _splitter(loaded: Loaded, pieces: tuple[bytes, ...]) -> Splitter:
    words = loaded.file.words
    if words.splitting == "words":
        return GptSplitter(pieces)
    if words.splitting == "scores":
        return UnigramSplitter(pieces, words.scores)
    zero = next((at for at, piece in enumerate(pieces) if piece == b"\0"), None)
    return NativeSplitter(loaded.tokenize, prefixed=words.prefixed, zero=zero)
