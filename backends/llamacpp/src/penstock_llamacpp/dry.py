"""DRY samplers, made once and copied: to read a vocabulary for breakers takes milliseconds."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.errors import EngineError, UsageError

from penstock_llamacpp.library import Library
from penstock_llamacpp.vocabulary import Vocabulary

__all__ = ["Dry", "dry_sampler"]

_KEPT = 8
"""How many are kept for a vocabulary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dry:
    """The options of a DRY sampler; `reach` is how many of the last tokens it looks at.

    Raises `UsageError` for a breaker that C cannot read.
    """

    multiplier: float
    base: float
    allowed_length: int
    reach: int
    breakers: tuple[str, ...]

    def __post_init__(self) -> None:
        for text in self.breakers:
            if "\0" in text:
                raise UsageError(f"the DRY breaker {text!r} has a null character in it")


class _Originals:
    """The samplers made for one vocabulary, to be copied. Frees them when it is dropped."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._kept: OrderedDict[Dry, int] = OrderedDict()
        weakref.finalize(self, _free, library, self._kept)

    def copy(self, vocabulary: Vocabulary, dry: Dry) -> int:
        with self._lock:
            original = self._kept.pop(dry, None) or _make(self._library, vocabulary, dry)
            self._kept[dry] = original
            if len(self._kept) > _KEPT:
                self._library.sampler_free(self._kept.popitem(last=False)[1])
            return int(self._library.sampler_clone(original) or 0)


_ORIGINALS: weakref.WeakKeyDictionary[Vocabulary, _Originals] = weakref.WeakKeyDictionary()


def dry_sampler(library: Library, vocabulary: Vocabulary, dry: Dry) -> int:
    """Return the address of a new sampler, for the caller to free."""
    originals = _ORIGINALS.get(vocabulary)
    if originals is None:
        originals = _ORIGINALS.setdefault(vocabulary, _Originals(library))
    return originals.copy(vocabulary, dry)


def _make(library: Library, vocabulary: Vocabulary, dry: Dry) -> int:
    breakers = [text.encode("utf-8", "replace") for text in dry.breakers]
    found = library.dry(
        vocabulary.pointer,
        dry.multiplier,
        dry.base,
        dry.allowed_length,
        dry.reach,
        (ctypes.c_char_p * len(breakers))(*breakers),
        len(breakers),
    )
    if not found:
        raise EngineError(f"llama.cpp could not make a DRY sampler of {dry!r}")
    return int(found)


def _free(library: Library, kept: Mapping[Dry, int]) -> None:
    for original in kept.values():
        library.sampler_free(original)
