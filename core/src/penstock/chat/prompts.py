"""What a call asks, made ready for an engine."""

from __future__ import annotations

import math
from collections.abc import Callable

from penstock.backend import ModelInfo
from penstock.chat.fitting import Fitting
from penstock.errors import ContextOverflow, Unsupported
from penstock.events import ContextReport
from penstock.messages import Message, PromptLike, Segment
from penstock.request import Request, Sampling
from penstock.tools import Tool, as_tools

__all__ = ["Conversation", "Prompt", "counts"]

BYTES_PER_TOKEN = 4
"""For estimates only: what English text takes in common vocabularies."""

MARKS = 5
"""Tokens that a chat template puts around a message, in most formats."""

_TOOL_OPTIONS = frozenset({"tools", "tool_choice"})


def counts(info: ModelInfo) -> bool:
    """Whether the tokens of a conversation can be counted before the engine evaluates it.

    Where the engine renders messages itself, what it puts around them is guessed.
    """
    return info.capabilities.tokenize and info.context_length is not None


class Prompt:
    """A prompt that is a text already, and what it may be worth in tokens."""

    def __init__(self, prompt: tuple[Segment, ...]) -> None:
        self._request = Request(prompt=prompt)

    def honoured(self, wanted: Sampling) -> frozenset[str]:  # noqa: ARG002  # as a conversation
        """Return the options that are seen to before the engine: none."""
        return frozenset()

    def ready(self, sampling: Sampling) -> Request:
        """Return the request."""
        return Request(prompt=self._request.prompt, sampling=sampling)

    def estimate(self) -> int:
        """Guess how many tokens it has."""
        return _estimate(self._request.text)

    def report(self) -> ContextReport | None:
        """Tell what is left out: nothing ever is."""
        return None


class Conversation:
    """A conversation, rendered to a prompt when it is needed, unless the engine does that itself.

    `count` tells how many tokens a prompt has. Raises `Unsupported` where there is no template.
    """

    def __init__(
        self, fitting: Fitting, info: ModelInfo, count: Callable[[PromptLike], int]
    ) -> None:
        if not info.capabilities.messages and not info.chat_template:
            raise Unsupported(
                f"{info.name!r} has no chat template",
                hint="Use complete() with a prompt, or load it with chat_template='chatml'",
            )
        self.fitting = fitting
        self._count = count
        self._info = info
        self._native = info.capabilities.messages

    def honoured(self, wanted: Sampling) -> frozenset[str]:
        """Return the options that the template sees to in the engine's place."""
        from penstock.templates import knows_tools  # what only chats need, as with jinja2

        if self._native or not knows_tools(self._info.chat_template or ""):
            return frozenset()
        forced = wanted.tool_choice not in {None, "auto", "none"}  # nothing here forces a model
        return _TOOL_OPTIONS - {"tool_choice"} if forced else _TOOL_OPTIONS

    def ready(self, sampling: Sampling) -> Request | Callable[[], Request]:
        """Return the request, or what makes it."""
        if self._native and not (self.fitting.policy and counts(self._info)):
            return Request(messages=self.fitting.messages, sampling=sampling)
        if self._native:
            return lambda: self._roomy_messages(sampling)
        tools = _offered(sampling)
        inner = sampling.without(_TOOL_OPTIONS)
        return lambda: Request(prompt=self._roomy(tools, sampling.max_tokens), sampling=inner)

    def fits(self, sampling: Sampling) -> Callable[[tuple[Message, ...]], bool] | None:
        """Return what tells whether messages leave room for an answer; None: the engine alone."""
        if not counts(self._info):
            return None
        tools, wanted = _offered(sampling), sampling.max_tokens
        return lambda messages: self._overflow(self._sent(messages, tools), wanted) is None

    def prompt(self, messages: tuple[Message, ...], tools: tuple[Tool, ...]) -> tuple[Segment, ...]:
        """Return the exact prompt for these messages."""
        from penstock.templates import render  # as above

        info = self._info
        return render(
            info.chat_template or "",
            messages,
            bos_token=info.bos_token,
            eos_token=info.eos_token,
            tools=tools,
        )

    def estimate(self) -> int:
        """Guess how many tokens it has."""
        return _estimate(Request(messages=self.fitting.messages).text)

    def report(self) -> ContextReport | None:
        """Tell what is left out of it."""
        return self.fitting.report()

    def _roomy(self, tools: tuple[Tool, ...], max_tokens: int | None) -> tuple[Segment, ...]:
        prompt = self.prompt(self.fitting.messages, tools)
        self._refuse_overlong((prompt, 0), max_tokens)
        return prompt

    def _roomy_messages(self, sampling: Sampling) -> Request:
        messages = self.fitting.messages
        self._refuse_overlong(self._sent(messages, ()), sampling.max_tokens)
        return Request(messages=messages, sampling=sampling)

    def _sent(
        self, messages: tuple[Message, ...], tools: tuple[Tool, ...]
    ) -> tuple[tuple[Segment, ...], int]:
        """Return the prompt for messages, or their texts, and the tokens that come to it."""
        if not self._native:
            return self.prompt(messages, tools), 0
        text = Request(messages=messages).text
        return (Segment(text),), MARKS * len(messages)

    def _refuse_overlong(self, sent: tuple[tuple[Segment, ...], int], wanted: int | None) -> None:
        overflow = self._overflow(sent, wanted)
        if overflow is not None:
            raise overflow

    def _overflow(
        self, sent: tuple[tuple[Segment, ...], int], wanted: int | None
    ) -> ContextOverflow | None:
        """Return how a prompt leaves too little room for an answer; None: it does not."""
        prompt, marks = sent
        length = self._info.context_length
        room = 0 if length is None else self.fitting.room(length, wanted)
        if length is None or not room or not counts(self._info):
            return None
        if _bytes(prompt) + marks + room < length:  # no token is without a byte
            return None
        count = self._count(prompt) + marks
        return ContextOverflow(count, length) if count + room > length else None


def _offered(sampling: Sampling) -> tuple[Tool, ...]:
    """Return the tools that a template is to show."""
    return () if sampling.tool_choice == "none" else as_tools(sampling.tools or ())


def _estimate(text: str) -> int:
    return max(1, math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN))


def _bytes(prompt: tuple[Segment, ...]) -> int:
    return sum(len(segment.text.encode("utf-8", "surrogatepass")) for segment in prompt)
