"""Model: what users hold after loading, written once over every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar, overload

import anyio

from penstock.abilities import Abilities
from penstock.arguments import assert_kind
from penstock.backend import AnyEngine
from penstock.chat.fitting import Fitting
from penstock.chat.policies import ContextPolicy, Summarize
from penstock.chat.prompts import Conversation, Prompt
from penstock.chat.refits import Refits
from penstock.effective import honoured, known, seeded
from penstock.errors import BackendBug, GenerationError, Unsupported
from penstock.events import Completion
from penstock.messages import MessageLike, PromptLike, Segment, as_messages, as_segments
from penstock.request import CallOptions, Deadlines, OtherOptions, Policy, Sampling
from penstock.streams.generation import Generation, Plan
from penstock.streams.job import Job
from penstock.streams.pump import Pump, translated
from penstock.tools import ToolLike, as_tools

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Unpack

    from penstock.chat import Chat
    from penstock.tasks import Example, Task

R = TypeVar("R")

__all__ = ["Model"]


class Model(Abilities):
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
        super().__init__(engine)
        self._pump = pump
        self._refits = Refits(pump.start, engine.info.name)
        self._sampling = sampling
        self._deadlines = deadlines
        self._unsupported = unsupported
        self._loop_thread = loop_thread

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
        asked = Prompt(as_segments(prompt))
        return self._generation(asked, Sampling(**known(options)), deadlines, unsupported)

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
        return self.answer(
            Fitting(as_messages(messages)),
            deadlines=deadlines,
            unsupported=unsupported,
            on_end=on_end,
            **options,
        )

    def answer(
        self,
        fitting: Fitting,
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        on_end: Callable[[Completion], None] | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation:
        """Answer a conversation that may be made shorter; this is what sessions are made of."""
        asked = self._conversation(fitting)
        sampling = Sampling(**known(options))
        return self._generation(asked, sampling, deadlines, unsupported, on_end)

    def session(
        self,
        system: str | None = None,
        *,
        history: Iterable[MessageLike] = (),
        keep_partial: bool = False,
        context: ContextPolicy = "error",
        summarize: Summarize | None = None,
    ) -> Chat:
        """Start a conversation that remembers; see `Chat`.

        system        what the model is told first
        history       what was said before, such as the history of another session
        keep_partial  whether the part of an answer that was cut off is kept
        context       what to do when the conversation is too long for the model: `error`,
                      `drop_oldest`, `summarize`, or a callable that makes messages shorter
        summarize     with `context="summarize"`: makes a summary of messages; by default this model

        Raises `UsageError` for what cannot be.
        """
        from penstock.chat import Chat

        return Chat(
            self,
            system=system,
            history=history,
            keep_partial=keep_partial,
            context=context,
            summarize=summarize,
        )

    async def load_session(
        self,
        path: str | Path,
        *,
        keep_partial: bool = False,
        context: ContextPolicy = "error",
        summarize: Summarize | None = None,
    ) -> Chat:
        """Go on with a conversation that `Chat.save` saved, with this model or another.

        A state of the engine saved with it is taken up where that is possible; `chat.state` says
        whether it was. Raises `LoadError` for a file that is not there, damaged, or of another kind
        or version.
        """
        from penstock.chat import Chat

        self.assert_open()
        return await Chat.load(
            self, path, keep_partial=keep_partial, context=context, summarize=summarize
        )

    async def render(
        self, messages: Iterable[MessageLike], tools: Iterable[ToolLike] | None = None
    ) -> tuple[Segment, ...]:
        """Return the exact prompt that `chat` makes of messages, and of tools.

        Raises `Unsupported` where the engine takes conversations as they are, or there is no
        template, or it does not show tools; and `UsageError` where it refuses the messages.
        """
        self.assert_open()
        if self.info.capabilities.messages:
            raise Unsupported(
                f"{self.info.name!r} makes prompts of messages by itself, and shows them to nobody"
            )
        asked, offered = as_messages(messages), as_tools(tools or ())
        conversation = self._conversation(Fitting(asked))
        return await anyio.to_thread.run_sync(conversation.prompt, asked, offered)

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

        sampling = Sampling(**known(options))
        prefix = prefix_of(instructions, system, examples, sampling.over(self._sampling))
        self._conversation(Fitting(prefix))
        return Task(self, prefix, sampling)

    async def save_state(
        self, path: str | Path, conversation: PromptLike | Iterable[MessageLike]
    ) -> int:
        """Save what the engine has evaluated of a prompt or of messages, and of the answer.

        Returns how many tokens that is. A program that calls `load_state` later need not evaluate
        them again. It is a shortcut, never needed: the text says it all. Raises `Unsupported` where
        the engine cannot, and `UsageError` if it holds nothing of this conversation (any more).
        """
        from pathlib import Path  # not at once: importing it takes as long as all of our streams

        self.assert_open()
        prompt = await anyio.to_thread.run_sync(self._prompt, conversation)
        with self._failing("save its state"):
            return await anyio.to_thread.run_sync(self.engine.save_state, prompt, Path(path))

    async def aclose(self) -> None:
        """End all generations and free the engine. Done by `async with`; harmless twice."""
        if not self._closed:
            self._closed = True
            try:
                with translated(f"{self.info.name!r} could not be closed", BackendBug):
                    await self._pump.aclose()
            finally:
                await self._refits.aclose()

    def _generation(
        self,
        asked: Prompt | Conversation,
        sampling: Sampling,
        deadlines: Deadlines | None,
        unsupported: Policy | None,
        on_end: Callable[[Completion], None] | None = None,
    ) -> Generation:
        self.assert_open()
        own = deadlines or Deadlines()
        assert_kind("deadlines", own, Deadlines)
        policy = self._unsupported if unsupported is None else unsupported
        chosen = sampling.over(self._sampling)
        wanted, dropped = honoured(chosen, policy, self.info, asked.honoured(chosen))
        effective = seeded(wanted.over(self.info.defaults), self.info)
        able = self.info.capabilities
        limited = effective.without(frozenset({"max_tokens"})) if able.limits else effective
        job = Job(asked.ready(effective), limited, shaped=able.shapes)
        if isinstance(asked, Conversation):
            self._refits.watch(job, asked, effective)
        plan = Plan(
            start=self._pump.start,
            effective=effective,
            deadlines=own.over(self._deadlines),
            estimate=asked.estimate,
            loop_thread=self._loop_thread,
            warnings=dropped,
            context=asked.report,
        )
        return Generation(job, plan, on_end)

    def _prompt(self, conversation: PromptLike | Iterable[MessageLike]) -> PromptLike:
        if isinstance(conversation, str):
            return conversation
        parts = tuple(conversation)
        segments = tuple(part for part in parts if isinstance(part, Segment))
        if len(segments) == len(parts):
            return segments
        messages = as_messages(part for part in parts if not isinstance(part, Segment))
        if self.info.capabilities.messages:
            return ()
        return self._conversation(Fitting(messages)).prompt(messages, ())

    def _conversation(self, fitting: Fitting) -> Conversation:
        return Conversation(fitting, self.info, self._count)

    def _count(self, prompt: PromptLike) -> int:
        """Count tokens, on a thread that may wait."""
        if self.info.capabilities.messages:
            return self._refits.work(self._count_there, prompt)
        return len(self.engine.tokenize(prompt))

    def _count_there(self, prompt: PromptLike) -> int:
        try:
            return len(self.engine.tokenize(prompt))
        except (GenerationError, Unsupported):
            return 0  # it will see for itself
