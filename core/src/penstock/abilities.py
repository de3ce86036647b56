"""Abilities: what a loaded model does beside generating."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import anyio

from penstock.backend import AnyEngine, ModelInfo
from penstock.errors import EngineError, ModelClosed, UsageError
from penstock.events import Embeddings
from penstock.messages import PromptLike
from penstock.streams.pump import translated

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["Abilities"]


class Abilities:
    """An engine that is loaded, and what it does in one go, on a thread that may wait."""

    def __init__(self, engine: AnyEngine) -> None:
        self.engine = engine
        self._closed = False
        self._process = os.getpid()

    @property
    def info(self) -> ModelInfo:
        """What is known of the model and the engine that runs it."""
        return self.engine.info

    async def tokenize(self, prompt: PromptLike) -> list[int]:
        """Return the token ids of `prompt` as the engine evaluates it, BOS included.

        Raises `Unsupported` where the engine cannot tell.
        """
        self.assert_open()
        with self._failing("tokenize"):
            return await anyio.to_thread.run_sync(self.engine.tokenize, prompt)

    async def detokenize(self, ids: list[int]) -> bytes:
        """Return the bytes that `ids` stand for. Raises `Unsupported` as `tokenize` does."""
        self.assert_open()
        with self._failing("detokenize"):
            return await anyio.to_thread.run_sync(self.engine.detokenize, ids)

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return a vector for each text; texts are alike where their vectors are near.

        May run beside generations. Raises `Unsupported` where the engine cannot, `ContextOverflow`
        for a text that is too long, and `UsageError` for anything but a sequence of strings.
        """
        self.assert_open()
        wanted = _texts(texts)
        with self._failing("embed"):
            return await anyio.to_thread.run_sync(self.engine.embed, wanted)

    async def load_state(self, path: str | Path) -> int:
        """Take up what `save_state` saved, with the same model; return how many tokens it has.

        Raises `Unsupported`, and `LoadError` for a file that is damaged or of another model.
        """
        from pathlib import Path  # importing it takes long

        self.assert_open()
        with self._failing("take up a state"):
            return await anyio.to_thread.run_sync(self.engine.load_state, Path(path))

    def assert_open(self) -> None:
        """Raise `ModelClosed` where the model cannot be used: it is closed, or this is a fork."""
        if self._closed:
            raise ModelClosed(
                f"{self.info.name!r} is closed", hint="Use it inside `async with penstock.load(…)`"
            )
        if os.getpid() != self._process:  # which has none of the threads and of the event loop
            raise ModelClosed(
                f"{self.info.name!r} was loaded before a fork", hint="Load it in this process"
            )

    def _failing(self, what: str) -> AbstractContextManager[None]:
        return translated(f"{self.info.name!r} could not {what}", EngineError)


def _texts(texts: Sequence[str]) -> tuple[str, ...]:
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise UsageError(f"embed({texts!r})", hint="Give a list of texts, if only of one")
    wanted = tuple(texts)
    for text in wanted:
        if not isinstance(text, str):
            raise UsageError(f"embed() got {text!r} for a text", hint="Give a list of strings")
    return wanted
