"""A loaded model file: the C object, and what llama.cpp knows of it."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock import gguf
from penstock.errors import InvalidModel, ModelClosed

from penstock_llamacpp.adapters import Adapters
from penstock_llamacpp.devices import Choice, Offload
from penstock_llamacpp.library import Library
from penstock_llamacpp.options import CACHE_TYPES, LoadOptions
from penstock_llamacpp.parameters import model_parameters

__all__ = ["Weights"]

_NO_VOCABULARY = 0
_RANK_POOLING = "4"
"""Of `enum llama_pooling_type`: the model gives a score, not a vector."""

_ENCODERS = frozenset(
    {
        "bert", "eurobert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "modern-bert",
        "neo-bert", "nomic-bert", "nomic-bert-moe",
    }
)  # fmt: skip
"""Architectures that see a text as a whole, and write none."""


class Weights:
    """Owns a `llama_model` and its adapters. What is made of it (contexts) must be closed before.

    `keep_going` is called with the share that is loaded, 0 to 1; where it returns False, loading
    stops. Raises `InvalidModel`, with llama.cpp's own reasons.

    options           what it was loaded with
    trained_context   the context length it was trained with, in tokens
    gpu_layers_asked  layers to put on a GPU; 0 is none, -1 all
    offload           what llama.cpp put on which devices
    """

    def __init__(
        self,
        library: Library,
        path: Path,
        options: LoadOptions,
        *,
        choice: Choice,
        keep_going: Callable[[float], bool],
    ) -> None:
        self.library = library
        self.path = path
        self.gpu_layers_asked = options.n_gpu_layers if choice.devices else 0
        self.options = options
        self._lock = threading.RLock()
        self._pointer: int | None = None
        self._pointer, self.offload = self._load(choice, keep_going)
        # llama.cpp changes it when a context stretches the positions (YaRN).
        self.trained_context = int(library.model_context(self._pointer))
        try:
            self._refuse_what_cannot_run()
            self.adapters = Adapters(library, self._pointer, options.lora)
        except BaseException:
            library.model_free(self._pointer)
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
                self.adapters.close()
                self.library.model_free(pointer)

    def metadata(self, key: str) -> str | None:
        """Return the value of `key` in the file, as text, or None."""
        buffer = ctypes.create_string_buffer(1024)
        length = self.library.model_meta(self.pointer, key.encode(), buffer, len(buffer))
        return None if length < 0 else buffer.value.decode("utf-8", "replace")

    def metadata_of(self, key: str) -> str | None:
        """Return the value of a key that the file has for its architecture, or None."""
        return self.metadata(f"{self.metadata('general.architecture')}.{key}")

    @property
    def generates(self) -> bool:
        """Whether it writes texts; models that see a text as a whole only embed."""
        encodes = self.metadata("general.architecture") in _ENCODERS
        return not encodes and self.metadata_of("attention.causal") != "false"

    @property
    def embeds(self) -> bool:
        """Whether it gives vectors for texts; models for ranking give scores."""
        return self.metadata_of("pooling_type") != _RANK_POOLING

    @property
    def file_bytes(self) -> int:
        """How many bytes its files have, all parts together."""
        return sum(part.stat().st_size for part in gguf.parts(self.path))

    @property
    def rewinds(self) -> bool:
        """Whether tokens can, as a rule, be taken back from the end of a sequence.

        Where layers look at the last tokens only, those before are needed again: see `swa_full`.
        `Context.reaches` tells whether it can be done at hand.
        """
        return not self.recurrent and (self.options.swa_full or not self.window)

    @property
    def recurrent(self) -> bool:
        """Whether layers keep one state for all that a sequence has read; others may attend."""
        library, pointer = self.library, self.pointer
        return bool(library.model_is_recurrent(pointer) or library.model_is_hybrid(pointer))

    @property
    def window(self) -> int:
        """How many of the last tokens some layers look at; 0 where all look at all of them."""
        return int(self.library.model_window(self.pointer))

    @property
    def size(self) -> int:
        """How many bytes the weights take."""
        return int(self.library.model_size(self.pointer))

    @property
    def layers(self) -> int:
        """How many layers the model has."""
        return int(self.library.model_layers(self.pointer))

    def context_bytes(self, length: int) -> int:
        """Return about how much memory a context of `length` tokens takes, in bytes."""
        library, pointer = self.library, self.pointer
        heads = max(1, library.model_heads(pointer))
        width = library.model_width(pointer) * library.model_kv_heads(pointer) // heads
        kinds = (CACHE_TYPES[self.options.type_k], CACHE_TYPES[self.options.type_v])
        each = sum(size / values for values, size in kinds)
        return int(length * self.layers * width * each)

    def _load(self, choice: Choice, keep_going: Callable[[float], bool]) -> tuple[int, Offload]:
        library = self.library
        params = model_parameters(library, self.options, choice, keep_going)
        library.log.forget()
        with library.log.heard() as lines:
            pointer = library.model_load(os.fsencode(self.path), params.native)
        if not pointer:
            raise self._invalid("llama.cpp cannot load it")
        total = int(library.model_layers(pointer)) + 1  # the output layer counts too
        wanted = self.gpu_layers_asked
        names = tuple(device.label for device in choice.devices)
        asked = Offload(names, total if wanted < 0 else min(wanted, total), total)
        return int(pointer), Offload.read(lines, asked)

    def _refuse_what_cannot_run(self) -> None:
        library, pointer = self.library, self.pointer
        if library.model_has_encoder(pointer) or not library.model_has_decoder(pointer):
            raise self._invalid("it has an encoder of its own beside or without a decoder")
        if library.model_is_diffusion(pointer):
            raise self._invalid("it is a diffusion model, which does not write token by token")
        if not (self.generates or self.embeds):
            raise self._invalid("it ranks texts, which this backend does not offer")
        if library.vocab_type(library.model_vocab(pointer)) == _NO_VOCABULARY:
            raise self._invalid("it has no vocabulary")

    def _invalid(self, why: str) -> InvalidModel:
        said = self.library.log.errors()
        return InvalidModel(
            f"{str(self.path)!r} is not usable: {why}" + (f" ({said})" if said else ""),
            hint="Take another file, or a newer llama-cpp-python if the model is newer than yours",
        )
