"""The blocking façade: `with penstock.sync.load(…) as model`.

An event loop runs in a thread of its own while a model is loaded. Everything else is the same
objects: generations are read with `for`, and `gen.result()` stands for `await gen`.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar, overload

from penstock import chat as conversation
from penstock import loading
from penstock import model as asynchronous
from penstock.backend import LoadProgress, ModelInfo, OptionValue
from penstock.chat.policies import ContextPolicy, Summarize
from penstock.entering import Entered
from penstock.events import Embeddings
from penstock.messages import Message, MessageLike, PromptLike, Segment
from penstock.portal import Portal, started
from penstock.registry import Registry
from penstock.request import CallOptions, Deadlines, OtherOptions, Policy, Sampling
from penstock.streams.generation import Generation
from penstock.tasks import Example, Task
from penstock.tools import ToolCall, ToolLike

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Unpack

    from penstock.config.choosing import ConfigLike

R = TypeVar("R")

__all__ = ["Chat", "Loading", "Model", "load"]


def load(
    target: str | os.PathLike[str] | None = None,
    *,
    device: str | None = None,
    options: Mapping[str, OptionValue] | None = None,
    sampling: Sampling | None = None,
    deadlines: Deadlines | None = None,
    unsupported: Policy | None = None,
    chat_template: str | None = None,
    config: ConfigLike = None,
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
            chat_template=chat_template,
            config=config,
            on_progress=on_progress,
            registry=registry,
        )
    )


class Loading(Entered):
    """A model about to be loaded; enter it with `with`.

    One that is never left is closed when the program ends.
    """

    entering = (
        "`with penstock.sync.load(…) as model`, "
        "or in an event loop `async with penstock.load(…) as model`"
    )

    def __init__(self, inner: loading.Loading) -> None:
        self._inner = inner
        self._exits = ExitStack()
        self._portal: Portal | None = None

    def __enter__(self) -> Model:
        with ExitStack() as exits:
            portal = started(exits)
            model = exits.enter_context(portal.wrap_async_context_manager(self._inner))
            self._exits = exits.pop_all()
        # Later than that its thread stands still, and who collects it waits for ever.
        atexit.register(self.__exit__, None, None, None)
        self._portal = Portal(portal, model)
        return Model(model, self._portal)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        atexit.unregister(self.__exit__)
        if self._portal is None or not self._portal.is_lost():
            self._exits.__exit__(kind, error, trace)


class Model:
    """A loaded model for code that blocks; see `penstock.Model`."""

    def __init__(self, inner: asynchronous.Model, portal: Portal) -> None:
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

    def session(
        self,
        system: str | None = None,
        *,
        history: Iterable[MessageLike] = (),
        keep_partial: bool = False,
        context: ContextPolicy = "error",
        summarize: Summarize | None = None,
    ) -> Chat:
        """Start a conversation that remembers."""
        inner = self._inner.session(
            system,
            history=history,
            keep_partial=keep_partial,
            context=context,
            summarize=summarize,
        )
        return Chat(inner, self._portal)

    def load_session(
        self,
        path: str | Path,
        *,
        keep_partial: bool = False,
        context: ContextPolicy = "error",
        summarize: Summarize | None = None,
    ) -> Chat:
        """Go on with a conversation that was saved."""
        load = partial(
            self._inner.load_session,
            path,
            keep_partial=keep_partial,
            context=context,
            summarize=summarize,
        )
        return Chat(self._portal.call(load), self._portal)

    def render(
        self, messages: Iterable[MessageLike], tools: Iterable[ToolLike] | None = None
    ) -> tuple[Segment, ...]:
        """Return the exact prompt that `chat` makes of messages, and of tools."""
        return self._portal.call(self._inner.render, messages, tools)

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


class Chat:
    """A conversation, for code that blocks; see `penstock.Chat`."""

    def __init__(self, inner: conversation.Chat, portal: Portal) -> None:
        self._inner = inner
        self._portal = portal

    @property
    def history(self) -> tuple[Message, ...]:
        """All that was said, the system message first, if there is one."""
        return self._inner.history

    @property
    def system(self) -> str | None:
        """What the model is told first; set it to say something else from now on."""
        return self._inner.system

    @system.setter
    def system(self, text: str | None) -> None:
        self._inner.system = text

    @property
    def answering(self) -> bool:
        """Whether an answer is being given."""
        return self._inner.answering

    @property
    def pending(self) -> tuple[ToolCall, ...]:
        """The calls of tools that the last answer asks for, and that have no results yet."""
        return self._inner.pending

    @property
    def state(self) -> conversation.KeptState | None:
        """What came of the engine's state that was saved with this conversation."""
        return self._inner.state

    @overload
    def send(
        self,
        text: str,
        *,
        schema: type[R],
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[OtherOptions],
    ) -> Generation[R]: ...
    @overload
    def send(
        self,
        text: str,
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation: ...
    def send(
        self,
        text: str,
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation:
        """Say `text`; return the answer."""
        return self._inner.send(text, deadlines=deadlines, unsupported=unsupported, **options)

    @overload
    def send_results(
        self,
        results: Mapping[str, str] | Sequence[str],
        *,
        schema: type[R],
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[OtherOptions],
    ) -> Generation[R]: ...
    @overload
    def send_results(
        self,
        results: Mapping[str, str] | Sequence[str],
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation: ...
    def send_results(
        self,
        results: Mapping[str, str] | Sequence[str],
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation:
        """Say what the tools returned that the last answer called; return the next answer."""
        return self._inner.send_results(
            results, deadlines=deadlines, unsupported=unsupported, **options
        )

    def fork(self) -> Chat:
        """Return another chat that begins with this history."""
        return Chat(self._inner.fork(), self._portal)

    def undo(self, turns: int = 1) -> tuple[Message, ...]:
        """Take the last turns out; return their messages."""
        return self._inner.undo(turns)

    def save(self, path: str | Path, *, state: bool = False) -> conversation.KeptState:
        """Write the conversation to a file, as JSON; also when the model is closed."""
        return self._portal.call_anyhow(partial(self._inner.save, path, state=state))
