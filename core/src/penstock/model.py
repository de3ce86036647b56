"""Model: what users hold after loading, written once over every engine."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, overload

import anyio

from penstock.backend import AnyEngine, ModelInfo
from penstock.errors import ModelClosed, Unsupported, UsageError
from penstock.events import Completion, Embeddings
from penstock.messages import MessageLike, PromptLike, Segment, as_messages, as_segments
from penstock.request import (
    CONSTRAINTS,
    ENGINE_OPTIONS,
    MAX_SEED,
    POLICIES,
    CallOptions,
    Deadlines,
    OtherOptions,
    Policy,
    Request,
    Sampling,
)
from penstock.streams.generation import Generation, Plan
from penstock.streams.job import Job
from penstock.streams.pump import Pump
from penstock.templates import render

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from penstock.chat import Chat
    from penstock.tasks import Example, Task

R = TypeVar("R")

__all__ = ["Model"]

BYTES_PER_TOKEN = 4
"""For estimates only: what English text takes in common vocabularies."""


class Model:
    """A loaded model. Use it inside `async with penstock.load(…)`; then it is freed.

    `complete` and `chat` return a `Generation` at once; the engine starts when it is read.
    Generations may run side by side, as many at a time as the engine can.
    """

    def __init__(
        self,
        engine: AnyEngine,
        pump: Pump,
        *,
        sampling: Sampling,
        deadlines: Deadlines,
        unsupported: Policy,
        loop_thread: int,
    ) -> None:
        self.engine = engine
        self._pump = pump
        self._sampling = sampling
        self._deadlines = deadlines
        self._unsupported = unsupported
        self._loop_thread = loop_thread
        self._closed = False

    @property
    def info(self) -> ModelInfo:
        """What is known of the model and the engine that runs it."""
        return self.engine.info

    @property
    def running(self) -> int:
        """How many generations the engine is at work on."""
        return self._pump.running

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
        """Continue `prompt`.

        A string is plain text: nothing in it is read as a control token; `Segment`s may say
        otherwise. `options` are the fields of `Sampling`. Raises `UsageError` for values out of
        range and `Unsupported` for options the engine does not honour, at once.
        """
        request = _PromptRequest(as_segments(prompt))
        return self._generation(request, Sampling(**_checked(options)), deadlines, unsupported)

    @overload
    def chat(
        self,
        messages: Iterable[MessageLike],
        *,
        schema: type[R],
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        on_end: Callable[[Completion], None] | None = None,
        **options: Unpack[OtherOptions],
    ) -> Generation[R]: ...
    @overload
    def chat(
        self,
        messages: Iterable[MessageLike],
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        on_end: Callable[[Completion], None] | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation: ...
    def chat(
        self,
        messages: Iterable[MessageLike],
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        on_end: Callable[[Completion], None] | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation:
        """Answer a conversation: `Message`s, or plain `{"role", "content"}` mappings.

        `on_end` is called once with the completion, however the generation ends. Raises as
        `complete`, and `Unsupported` where the model has no chat template.
        """
        request = self._conversation(messages)
        sampling = Sampling(**_checked(options))
        return self._generation(request, sampling, deadlines, unsupported, on_end)

    def session(self, system: str | None = None, *, keep_partial: bool = False) -> Chat:
        """Start a conversation that remembers; see `Chat`."""
        from penstock.chat import Chat

        return Chat(self, system=system, keep_partial=keep_partial)

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
        """Make something to be done again and again, to one text after the other; see `Task`.

        instructions  what is to be done; said as the system message, behind `system` if given
        examples      texts, each with what is to come of it: a value of the type that `schema`
                      names, JSON data for any other schema, else a text
        options       of every call

        Raises `UsageError` for values out of range and for an example that is not what the options
        ask for, and `Unsupported` where the model has no chat template.
        """
        from penstock.tasks import Task, prefix_of

        sampling = Sampling(**_checked(options))
        prefix = prefix_of(instructions, system, examples, sampling.over(self._sampling))
        self._conversation(prefix)
        return Task(self, prefix, sampling)

    async def tokenize(self, prompt: PromptLike) -> list[int]:
        """Return the token ids of `prompt` as the engine evaluates it, BOS included.

        Raises `Unsupported` where the engine cannot tell.
        """
        self._refuse_closed()
        return await anyio.to_thread.run_sync(self.engine.tokenize, prompt)

    async def detokenize(self, ids: list[int]) -> bytes:
        """Return the bytes that `ids` stand for. Raises `Unsupported` as `tokenize` does."""
        self._refuse_closed()
        return await anyio.to_thread.run_sync(self.engine.detokenize, ids)

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return a vector for each text; texts are alike where their vectors are near.

        May run beside generations. Raises `Unsupported` where the engine cannot, `ContextOverflow`
        for a text that is too long, and `UsageError` for anything but a sequence of strings.
        """
        self._refuse_closed()
        wanted = _texts(texts)
        return await anyio.to_thread.run_sync(self.engine.embed, wanted)

    async def save_state(
        self, path: str | Path, conversation: PromptLike | Iterable[MessageLike]
    ) -> int:
        """Save what the engine has evaluated of a prompt or of messages, and of the answer.

        Returns how many tokens that is. A program that calls `load_state` later need not evaluate
        them again. It is a shortcut, never needed: the text says it all. Raises `Unsupported` where
        the engine cannot, and `UsageError` if it holds nothing of this conversation (any more).
        """
        self._refuse_closed()
        prompt = await anyio.to_thread.run_sync(self._prompt, conversation)
        return await anyio.to_thread.run_sync(self.engine.save_state, prompt, Path(path))

    async def load_state(self, path: str | Path) -> int:
        """Take up what `save_state` saved, with the same model; return how many tokens it has.

        Raises `Unsupported`, and `LoadError` for a file that is damaged or of another model.
        """
        self._refuse_closed()
        return await anyio.to_thread.run_sync(self.engine.load_state, Path(path))

    async def aclose(self) -> None:
        """End all generations and free the engine. Done by `async with`; harmless twice."""
        if not self._closed:
            self._closed = True
            await self._pump.aclose()

    def _generation(
        self,
        request: _PromptRequest | _ChatRequest,
        sampling: Sampling,
        deadlines: Deadlines | None,
        unsupported: Policy | None,
        on_end: Callable[[Completion], None] | None = None,
    ) -> Generation:
        self._refuse_closed()
        policy = self._unsupported if unsupported is None else unsupported
        wanted, dropped = self._honoured(sampling.over(self._sampling), policy)
        effective = _seeded(wanted.over(self.info.defaults), self.info)
        able = self.info.capabilities
        limited = effective.without(frozenset({"max_tokens"})) if able.limits else effective
        job = Job(request.ready(effective), limited, shaped=able.shapes)
        plan = Plan(
            start=self._pump.start,
            effective=effective,
            deadlines=(deadlines or Deadlines()).over(self._deadlines),
            estimate=request.estimate,
            loop_thread=self._loop_thread,
            warnings=dropped,
        )
        return Generation(job, plan, on_end)

    def _prompt(self, conversation: PromptLike | Iterable[MessageLike]) -> PromptLike:
        if isinstance(conversation, str):
            return conversation
        parts = tuple(conversation)
        segments = tuple(part for part in parts if isinstance(part, Segment))
        if len(segments) == len(parts):
            return segments
        messages = tuple(part for part in parts if not isinstance(part, Segment))
        ready = self._conversation(messages).ready(self._sampling)
        return (ready() if callable(ready) else ready).prompt

    def _conversation(self, messages: Iterable[MessageLike]) -> _ChatRequest:
        if not self.info.capabilities.messages and not self.info.chat_template:
            raise Unsupported(
                f"{self.info.name!r} has no chat template", hint="Use complete() with a prompt"
            )
        asked = as_messages(messages)
        if not self.info.capabilities.messages and any(m.tool_calls for m in asked):
            raise Unsupported(
                f"{self.info.name!r} cannot be told of calls of tools",
                hint="Leave the messages with tool calls out, and their results",
            )
        return _ChatRequest(Request(messages=asked), self.info)

    def _honoured(self, wanted: Sampling, policy: Policy) -> tuple[Sampling, tuple[str, ...]]:
        """Apply the policy for options the engine does not honour; return what is left."""
        if policy not in POLICIES:
            raise UsageError(f"unsupported={policy!r}", hint=f"It is one of {', '.join(POLICIES)}")
        refused = (ENGINE_OPTIONS & set(wanted.chosen())) - self.info.capabilities.options
        if not refused:
            return wanted, ()
        texts = tuple(
            f"{self.info.backend or self.info.name} does not honour {name}={value!r}"
            for name, value in sorted(wanted.chosen().items())
            if name in refused
        )
        if policy == "error":
            hint = "Leave it out, or pass unsupported='warn' or 'drop'"
            bindings = sorted(self.info.capabilities.options & set(CONSTRAINTS))
            if bindings and refused & set(CONSTRAINTS):
                hint += f". It can bind an answer by {', '.join(bindings)}"
            raise Unsupported("; ".join(texts), hint=hint)
        if policy == "warn":
            warnings.warn("; ".join(texts), UserWarning, stacklevel=4)
        return wanted.without(frozenset(refused)), texts

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ModelClosed(
                f"{self.info.name!r} is closed", hint="Use it inside `async with penstock.load(…)`"
            )


class _PromptRequest:
    """A prompt, and what it may be worth in tokens."""

    def __init__(self, prompt: tuple[Segment, ...]) -> None:
        self._request = Request(prompt=prompt)

    def ready(self, sampling: Sampling) -> Request:
        return Request(prompt=self._request.prompt, sampling=sampling)

    def estimate(self) -> int:
        return _estimate(self._request.text)


class _ChatRequest:
    """A conversation, rendered to a prompt when it is needed."""

    def __init__(self, request: Request, info: ModelInfo) -> None:
        self._request = request
        self._info = info

    def ready(self, sampling: Sampling) -> Request | Callable[[], Request]:
        messages, info = self._request.messages, self._info
        if info.capabilities.messages:
            return Request(messages=messages, sampling=sampling)
        return lambda: Request(
            prompt=render(
                info.chat_template or "",
                messages,
                bos_token=info.bos_token,
                eos_token=info.eos_token,
            ),
            sampling=sampling,
        )

    def estimate(self) -> int:
        return _estimate(self._request.text)


def _texts(texts: Sequence[str]) -> tuple[str, ...]:
    if isinstance(texts, str):
        raise UsageError(f"embed({texts!r})", hint="Give a list of texts, if only of one")
    wanted = tuple(texts)
    for text in wanted:
        if not isinstance(text, str):
            raise UsageError(f"embed() got {text!r} for a text", hint="Give a list of strings")
    return wanted


def _estimate(text: str) -> int:
    return max(1, math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN))


def _seeded(sampling: Sampling, info: ModelInfo) -> Sampling:
    """Draw the seed that was left open, so that what was really used can be told."""
    able = info.capabilities
    if sampling.seed is not None or "seed" not in able.options or not able.seeds:
        return sampling
    if sampling.temperature == 0:
        return sampling
    return Sampling(seed=int.from_bytes(os.urandom(4), "big") % MAX_SEED).over(sampling)


def _checked(options: CallOptions) -> CallOptions:
    """Refuse unknown options, naming the nearest right one; Python would not say which."""
    known = CallOptions.__annotations__
    for name in options:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Options are {', '.join(known)}"
            raise UsageError(f"unknown option {name!r}", hint=hint)
    return options
