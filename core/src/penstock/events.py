"""What comes out of a generation: events of the engine, deltas, and the completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, cast

from penstock.request import Sampling
from penstock.tools import ToolCall, ToolCallPart
from penstock.values import dataclass

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    R = TypeVar("R", default=Any, covariant=True)  # noqa: PLC0105  # result
else:
    from typing import TypeVar

    R = TypeVar("R")  # one with a default needs a newer Python

__all__ = [
    "Aside",
    "Completion",
    "ContextReport",
    "Delta",
    "Details",
    "Embeddings",
    "EngineEvent",
    "Finish",
    "FinishReason",
    "Logprob",
    "Prefill",
    "Report",
    "Retry",
    "Timings",
    "Token",
    "Usage",
    "UsageSource",
]

FinishReason: TypeAlias = Literal[
    "stop",
    "stop_sequence",
    "length",
    "tool_calls",
    "content_filter",
    "stopped",
    "cancelled",
    "deadline",
    "error",
]
Details: TypeAlias = Mapping[str, str | int | float | bool]
"""Facts by name; what is nested in a server's answer has names with dots."""
UsageSource: TypeAlias = Literal["engine", "reported", "counted", "estimated"]


@dataclass(frozen=True, slots=True)
class Logprob:
    """How likely a token was to the model, before any option of `Sampling` had an effect.

    id       of the token; -1 where a server does not tell
    data     the bytes it stands for, which may be half a character
    logprob  the natural logarithm of its probability, 0 or less
    top      the likeliest tokens of its place, as many as were asked for, the likeliest first;
             the token itself may be among them, and theirs is empty
    """

    id: int
    data: bytes
    logprob: float
    top: tuple[Logprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Aside:
    """What a model says beside the text of its answer.

    reasoning   what it thinks before it answers
    refusal     why it does not answer
    tool_calls  pieces of calls that it asks for
    """

    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCallPart, ...] = ()

    def __add__(self, other: Aside) -> Aside:
        return Aside(
            self.reasoning + other.reasoning,
            self.refusal + other.refusal,
            self.tool_calls + other.tool_calls,
        )


@dataclass(slots=True)
class Delta:
    """A piece of the answer, as users receive it.

    text      whole characters; empty if an engine reports tokens without text, or only an aside
    tokens    how many tokens this piece accounts for
    ids       their ids, where the engine has ids
    at        when the engine made the last of them, in seconds of `time.perf_counter`
    logprobs  how likely each of them was, where that was asked for
    aside     what is said beside the text: reasoning, a refusal, calls of tools
    """

    text: str
    tokens: int = 1
    ids: tuple[int, ...] = ()
    at: float = 0.0
    logprobs: tuple[Logprob, ...] = ()
    aside: Aside | None = None

    @property
    def reasoning(self) -> str:
        """What the model thinks before it answers; no part of the text."""
        return "" if self.aside is None else self.aside.reasoning

    @property
    def refusal(self) -> str:
        """Why the model does not answer; no part of the text."""
        return "" if self.aside is None else self.aside.refusal

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        """Pieces of calls of tools; the completion has them joined."""
        return () if self.aside is None else self.aside.tool_calls


@dataclass(slots=True)
class Token:
    """A generated token: its id, and the bytes it stands for, which may be half a character.

    `logprob` is kept only where the request asks for it.
    """

    id: int
    data: bytes
    at: float = 0.0
    logprob: Logprob | None = None


@dataclass(slots=True)
class Prefill:
    """Progress with the prompt: `processed` of `total` tokens, `cached` of them reused."""

    processed: int
    total: int
    cached: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts, and where they come from.

    `engine` counted its own tokens; `reported` by a server; `counted` with the model's tokenizer;
    `estimated` where nothing better is known (a piece counts as a token, four bytes of prompt
    as one). `reasoning_tokens` are among the completion's, `cached_tokens` among the prompt's.

    An engine may yield it too, before its end: the last one counts for a generation that is left.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    source: UsageSource = "engine"

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """When things happened, in seconds and tokens per second; None where it never did.

    queue        submitted → the engine took it up
    ttft         submitted → first generated token of any kind
    ttfo         submitted → first visible text
    itl          (last − first token) / (tokens − 1), from two tokens on
    e2e          submitted → finished
    prefill_tps  prompt tokens evaluated per second
    decode_tps   1 / itl
    """

    queue: float | None = None
    ttft: float | None = None
    ttfo: float | None = None
    itl: float | None = None
    e2e: float | None = None
    prefill_tps: float | None = None
    decode_tps: float | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """An engine's own end of a generation. After it, an engine yields nothing.

    An engine that ends without one is taken to have finished with `stop`.
    """

    reason: FinishReason = "stop"
    usage: Usage | None = None
    stop_sequence: str | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """The engine begins anew, since the attempt before failed with nothing generated.

    `reason` is a sentence for people.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What else the engine tells of this generation: ids, timings of its own, what it runs on."""

    details: Details


EngineEvent: TypeAlias = str | bytes | Token | Delta | Prefill | Usage | Retry | Report | Finish
"""What an engine may yield: plain text, UTF-8 cut anywhere, or a record with figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextReport:
    """What of a conversation was not sent, so that the rest fits the context.

    policy    what decided it: "drop_oldest", "summarize", or the name of your callable
    messages  how many messages were left out
    turns     how many turns these are; a turn begins with what a user says
    summary   what was sent in their place; empty if nothing was
    """

    policy: str
    messages: int
    turns: int
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion(Generic[R]):
    """A finished generation.

    `text` is exactly the deltas delivered, joined. `effective` holds the options really used,
    the seed among them. `warnings` names each option that was dropped. `logprobs` are those of the
    deltas delivered, and so are `reasoning`, `refusal` and `tool_calls`. `retries` counts attempts
    that failed before anything was generated. `details` are the engine's own words. `context` tells
    what of a conversation was left out; None: nothing.

    `parsed` is what a bound answer was asked for: a value of the type that `schema` names, decoded
    JSON for any other schema, or the text itself for `choices`, `regex` and `grammar`. It is None
    where there is none: the answer was not bound, was left, failed, was refused by the model, or
    asks for tools.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage
    timings: Timings = field(default_factory=Timings)
    effective: Sampling = field(default_factory=Sampling)
    stop_sequence: str | None = None
    warnings: tuple[str, ...] = ()
    logprobs: tuple[Logprob, ...] = ()
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    retries: int = 0
    details: Details = field(default_factory=dict)
    context: ContextReport | None = None
    parsed: R = field(default=cast("R", None), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Embeddings:
    """A vector for each text, in their order, all with as many numbers.

    Where the engine can, they are of length 1, so that the product of two is the cosine of their
    angle. `numpy.array(embeddings.vectors)` makes a matrix of them.
    """

    vectors: tuple[Sequence[float], ...]
    usage: Usage
