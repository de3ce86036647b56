"""LoRA adapters: small additions to the weights of a model, read from files of their own."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from penstock import gguf
from penstock.errors import InvalidModel, LoadError

from penstock_llamacpp.library import Library
from penstock_llamacpp.options import Lora

__all__ = ["Adapters"]

_KINDS = {
    "general.type": gguf.STRING,
    "general.architecture": gguf.STRING,
    "adapter.type": gguf.STRING,
    "adapter.lora.alpha": gguf.FLOAT32,
}
"""Keys that llama.cpp reads of an adapter without a look at their type."""


class Adapters:
    """The adapters of one model, at fixed scales. Close it before the model.

    Raises `ModelNotFound` or `InvalidModel`, naming the file, for one that is not there, damaged,
    or made for another model.
    """

    def __init__(self, library: Library, model: int, loras: Sequence[Lora]) -> None:
        self._library = library
        self._loras = tuple(loras)
        self._pointers: list[int] = []
        try:
            for lora in loras:
                self._pointers.append(self._load(model, Path(lora.path).expanduser()))
        except BaseException:
            self.close()
            raise

    def apply(self, context: int) -> None:
        """Apply them all to a context, in place of those it has.

        What the context has evaluated before stays as it is. Raises `LoadError`.
        """
        count = len(self._pointers)
        if not count:
            return
        pointers = (ctypes.c_void_p * count)(*self._pointers)
        scales = (ctypes.c_float * count)(*(lora.scale for lora in self._loras))
        if self._library.adapters_set(context, pointers, count, scales):
            raise LoadError(f"llama.cpp cannot apply {self!s}: {self._library.log.errors()}")

    def close(self) -> None:
        """Free them, once; closing again does nothing. No context may use them any more."""
        pointers, self._pointers = self._pointers, []
        for pointer in pointers:
            self._library.adapter_free(pointer)

    def __str__(self) -> str:
        return ", ".join(map(str, self._loras))

    def _load(self, model: int, path: Path) -> int:
        _check(path)
        log = self._library.log
        log.forget()
        pointer = self._library.adapter_load(model, os.fsencode(path))
        if not pointer:
            raise InvalidModel(
                f"{str(path)!r} cannot be applied to this model: {log.errors()}",
                hint="Take an adapter that was made for this model, in GGUF format",
            )
        return int(pointer)


def _check(path: Path) -> None:
    """Check that `path` is a whole file, whose keys have the right types.

    llama.cpp ends the process where they have not. Raises `ModelNotFound` or `InvalidModel`.
    """
    types = gguf.parse(path).types
    for key in types.keys() & _KINDS:
        if types[key] != (_KINDS[key],):
            raise InvalidModel(
                f"{str(path)!r} has the key {key!r} with the type {types[key][0]}",
                hint="Convert the adapter again, with llama.cpp's own script",
            )
