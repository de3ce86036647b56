"""The blocking façade: `with penstock.sync.load(…) as model`.

An event loop runs in a thread of its own while a model is loaded. Everything else is the same
objects: generations are read with `for`, and `gen.result()` stands for `await gen`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar, overload

from penstock import loading
from penstock import model as asynchronous
from penstock.backend import LoadProgress, ModelInfo, OptionValue
from penstock.chat import Chat
from penstock.events import Embeddings
from penstock.messages import MessageLike, PromptLike
from penstock.registry import Registry
from penstock.request import CallOptions, Deadlines, OtherOptions, Policy, Sampling
from penstock.streams.generation import Generation
from penstock.tasks import Example, Task

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal
    from typing_extensions import Unpack

R = TypeVar("R")

__all__ = ["Loading", "Model", "load"]


def load(
    target: str | None = None,
    *,
    device: str = "auto",
    options: Mapping[str, OptionValue] | None = None,
    sampling: Sampling | None = None,
    deadlines: Deadlines | None = None,
    unsupported: Policy = "error",
    on_progress: Callable[[LoadProgress], object] | None = None,
    registry: Registry | None = None,
) -> Loading:
    """Load a model, as `penstock.load` does: `with penstock.sync.load("x.gguf") as model: …`."""
    return Loading(
        loading.load(
            target,
            device=device,
            options=options,
            sampling=sampling,
            deadlines=deadlines,
            unsupported=unsupported,
            on_progress=on_progress,
            registry=registry,
        )
    )


class Loading:
    """A model about to be loaded; enter it with `with`."""

    def __init__(self, inner: loading.Loading) -> None:
        self._inner = inner
        self._exits = ExitStack()

    def __enter__(self) -> Model:
        from anyio.from_thread import start_blocking_portal  # 25 ms that only this façade pays

        with ExitStack() as exits:
            portal = exits.enter_context(start_blocking_portal())
            model = exits.enter_context(portal.wrap_async_context_manager(self._inner))
            self._exits = exits.pop_all()
        return Model(model, portal)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.__exit__(kind, error, trace)


class Model:
    """A loaded model for code that blocks; see `penstock.Model`."""

    def __init__(self, inner: asynchronous.Model, portal: BlockingPortal) -> None:
        self._inner = inner
        self._portal = portal

    @property
    def info(self) -> ModelInfo:
        """What is known of the model and the engine that runs it."""
        return self._inner.info

    @overload
    def complete(
        self,
        prompt: PromptLike,
        *,
        schema: type[R],
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[OtherOptions],
    ) -> Generation[R]: ...
    @overload
    def complete(
        self,
        prompt: PromptLike,
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation: ...
    def complete(
        self,
        prompt: PromptLike,
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation:
        """Continue `prompt`."""
        return self._inner.complete(prompt, deadlines=deadlines, unsupported=unsupported, **options)

    @overload
    def chat(
        self,
        messages: Iterable[MessageLike],
        *,
        schema: type[R],
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[OtherOptions],
    ) -> Generation[R]: ...
    @overload
    def chat(
        self,
        messages: Iterable[MessageLike],
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation: ...
    def chat(
        self,
        messages: Iterable[MessageLike],
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation:
        """Answer a conversation."""
        return self._inner.chat(messages, deadlines=deadlines, unsupported=unsupported, **options)

    def session(self, system: str | None = None, *, keep_partial: bool = False) -> Chat:
        """Start a conversation that remembers."""
        return self._inner.session(system, keep_partial=keep_partial)

    @overload
    def task(
        self,
        instructions: str,
        *,
        schema: type[R],
        examples: Iterable[Example] = (),
        system: str | None = None,
        **options: Unpack[OtherOptions],
    ) -> Task[R]: ...
    @overload
    def task(
        self,
        instructions: str,
        *,
        examples: Iterable[Example] = (),
        system: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Task: ...
    def task(
        self,
        instructions: str,
        *,
        examples: Iterable[Example] = (),
        system: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Task:
        """Make something to be done again and again."""
        return self._inner.task(instructions, examples=examples, system=system, **options)

    def tokenize(self, prompt: PromptLike) -> list[int]:
        """Return the token ids of `prompt` as the engine evaluates it."""
        return self._portal.call(self._inner.tokenize, prompt)

    def detokenize(self, ids: list[int]) -> bytes:
        """Return the bytes that `ids` stand for."""
        return self._portal.call(self._inner.detokenize, ids)

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return a vector for each text."""
        return self._portal.call(self._inner.embed, texts)

    def save_state(self, path: str | Path, conversation: PromptLike | Iterable[MessageLike]) -> int:
        """Save what the engine has evaluated of a prompt or of messages."""
        return self._portal.call(self._inner.save_state, path, conversation)

    def load_state(self, path: str | Path) -> int:
        """Take up what `save_state` saved."""
        return self._portal.call(self._inner.load_state, path)
