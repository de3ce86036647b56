"""A loaded model file: the C object, and what llama.cpp knows of it."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.errors import InvalidModel, ModelClosed

from penstock_llamacpp.library import Library
from penstock_llamacpp.options import LoadOptions

__all__ = ["Weights"]

_NO_VOCABULARY = 0
_LOAD_MODES = {(False, False): 0, (True, False): 1, (False, True): 2, (True, True): 3}
"""`enum llama_load_mode`, by (mmap, mlock)."""


class Weights:
    """Owns a `llama_model`. What is made of it (contexts) must be closed before it.

    `keep_going` is called with the share that is loaded, 0 to 1; where it returns False, loading
    stops. Raises `InvalidModel`, with llama.cpp's own reasons.
    """

    def __init__(
        self,
        library: Library,
        path: Path,
        options: LoadOptions,
        *,
        gpu: bool,
        keep_going: Callable[[float], bool],
    ) -> None:
        self.library = library
        self.path = path
        self.gpu_layers_asked = options.n_gpu_layers if gpu else 0
        self._lock = threading.RLock()
        self._pointer: int | None = self._load(options, keep_going)
        try:
            self._refuse_what_cannot_generate()
        except InvalidModel:
            self.close()
            raise

    @property
    def pointer(self) -> int:
        """The address of the C object. Raises `ModelClosed` after `close`."""
        if self._pointer is None:
            raise ModelClosed(f"the model {self.path.name!r} is closed")
        return self._pointer

    @contextmanager
    def held(self) -> Iterator[int]:
        """Hold the model open, from any thread. Raises `ModelClosed`."""
        with self._lock:
            yield self.pointer

    def close(self) -> None:
        """Free the model, once; closing again does nothing."""
        with self._lock:
            pointer, self._pointer = self._pointer, None
            if pointer is not None:
                self.library.model_free(pointer)

    def metadata(self, key: str) -> str | None:
        """Return the value of `key` in the file, as text, or None."""
        buffer = ctypes.create_string_buffer(1024)
        length = self.library.model_meta(self.pointer, key.encode(), buffer, len(buffer))
        return None if length < 0 else buffer.value.decode("utf-8", "replace")

    @property
    def rewinds(self) -> bool:
        """Whether tokens can be taken back from the end of a sequence, exactly."""
        library, pointer = self.library, self.pointer
        return not (
            library.model_is_recurrent(pointer)
            or library.model_is_hybrid(pointer)
            or library.model_window(pointer) > 0
        )

    @property
    def offloaded_layers(self) -> int:
        """How many layers were put on a GPU."""
        total = self.layers + 1  # llama.cpp counts the output layer too
        return total if self.gpu_layers_asked < 0 else min(self.gpu_layers_asked, total)

    @property
    def size(self) -> int:
        """How many bytes the weights take."""
        return int(self.library.model_size(self.pointer))

    @property
    def layers(self) -> int:
        """How many layers the model has."""
        return int(self.library.model_layers(self.pointer))

    @property
    def trained_context(self) -> int:
        """The context length it was trained with, in tokens."""
        return int(self.library.model_context(self.pointer))

    def context_bytes(self, length: int) -> int:
        """Return about how much memory a context of `length` tokens takes, in bytes."""
        library, pointer = self.library, self.pointer
        heads = max(1, library.model_heads(pointer))
        width = library.model_width(pointer) * library.model_kv_heads(pointer) // heads
        return int(length * self.layers * width * 2 * 2)  # keys and values, two bytes each

    def _load(self, options: LoadOptions, keep_going: Callable[[float], bool]) -> int:
        library = self.library
        # The callback must outlive the call, and only the call.
        watch = library.structs.llama_progress_callback(lambda share, _data: keep_going(share))
        params = library.model_params()
        params.n_gpu_layers = self.gpu_layers_asked
        params.load_mode = _LOAD_MODES[options.use_mmap, options.use_mlock]
        params.progress_callback = watch
        library.log.forget()
        pointer = library.model_load(os.fsencode(self.path), params)
        if not pointer:
            raise self._invalid("llama.cpp cannot load it")
        return int(pointer)

    def _refuse_what_cannot_generate(self) -> None:
        library, pointer = self.library, self.pointer
        if library.model_has_encoder(pointer) or not library.model_has_decoder(pointer):
            raise self._invalid("it has an encoder, and this backend runs decoders only")
        if library.model_is_diffusion(pointer):
            raise self._invalid("it is a diffusion model, which does not write token by token")
        if library.vocab_type(library.model_vocab(pointer)) == _NO_VOCABULARY:
            raise self._invalid("it has no vocabulary")

    def _invalid(self, why: str) -> InvalidModel:
        said = self.library.log.errors()
        return InvalidModel(
            f"{str(self.path)!r} is not usable: {why}" + (f" ({said})" if said else ""),
            hint="Take another file, or a newer llama-cpp-python if the model is newer than yours",
        )
