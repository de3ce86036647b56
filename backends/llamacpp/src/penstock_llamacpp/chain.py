"""Chain: llama.cpp's samplers, one behind the other."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.errors import EngineError

from penstock_llamacpp.candidates import Candidates
from penstock_llamacpp.library import Library

__all__ = ["Chain"]


class Chain:
    """Owns a chain of samplers, and frees it with them when closed.

    `parts` gives their addresses one by one; what fails in between frees those before it. Raises
    `EngineError` where llama.cpp makes none.
    """

    def __init__(self, library: Library, parts: Iterable[int | None]) -> None:
        self._library = library
        self._pointer: int | None = library.chain_new(library.chain_params())
        try:
            for part in parts:
                self._add(part)
        except BaseException:
            self.close()
            raise

    def apply(self, candidates: Candidates) -> None:
        """Have the samplers work on `candidates`, in order."""
        self._library.sampler_apply(self._pointer, candidates.address)

    def accept(self, token: int) -> None:
        """Tell the samplers that this token was said."""
        self._library.sampler_accept(self._pointer, token)

    def close(self) -> None:
        """Free the samplers, once."""
        found, self._pointer = self._pointer, None
        if found:
            self._library.sampler_free(found)

    def _add(self, part: int | None) -> None:
        if not part or not self._pointer:
            raise EngineError("llama.cpp could not make a sampler", hint="Its log may say why")
        self._library.chain_add(self._pointer, part)
