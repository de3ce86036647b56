"""What is asked of an engine: the prompt, how to sample, and how long it may take."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, TypeAlias, TypedDict, get_args

from penstock.errors import UsageError
from penstock.messages import Message, Segment

__all__ = ["ENGINE_OPTIONS", "CallOptions", "Deadlines", "Policy", "Request", "Sampling"]

Policy: TypeAlias = Literal["error", "warn", "drop"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _at_least(value: float, least: float) -> bool:
    return _is_number(value) and value >= least


def _is_count(value: object, least: int = 0, most: int = 2**31 - 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _are_stops(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(stop, str) and stop for stop in value)


_RANGES: dict[str, tuple[Callable[..., bool], str]] = {
    "temperature": (lambda value: _at_least(value, 0.0), "0 (greedy) or more"),
    "top_k": (_is_count, "a whole number, 0 for all"),
    "top_p": (lambda value: _is_number(value) and 0 < value <= 1, "above 0 and at most 1"),
    "min_p": (lambda value: _is_number(value) and 0 <= value <= 1, "from 0 to 1"),
    "repeat_penalty": (lambda value: _is_number(value) and value > 0, "above 0; 1 is off"),
    "presence_penalty": (_is_number, "a number; 0 is off"),
    "frequency_penalty": (_is_number, "a number; 0 is off"),
    "seed": (lambda value: _is_count(value, most=2**32 - 2), "from 0 to 2**32 - 2"),
    "max_tokens": (lambda value: _is_count(value, least=1), "a whole number, 1 or more"),
    "stop": (_are_stops, "strings that are not empty"),
    "include_stop": (lambda value: isinstance(value, bool), "True or False"),
    "ignore_eos": (lambda value: isinstance(value, bool), "True or False"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """The options that shape an answer. None means: not set here.

    temperature        0 is greedy: always the likeliest token
    top_k              keep the k likeliest tokens; 0 keeps all
    top_p              keep the likeliest tokens up to this share of probability, in (0, 1]
    min_p              drop tokens less likely than this share of the likeliest one, in [0, 1]
    repeat_penalty     divide the logits of recent tokens by this; 1 is off
    presence_penalty   subtract this from the logits of tokens that occurred; 0 is off
    frequency_penalty  the same, once for each occurrence; 0 is off
    seed               of the sampler, 0 to 2**32 - 2; the same request and seed give the same text
    max_tokens         end after this many tokens, with the reason `length`
    stop               end before the first of these strings, with the reason `stop_sequence`
    include_stop       keep the stop string at the end of the text
    ignore_eos         go on after an end-of-text token

    Raises `UsageError` for values outside these ranges.
    """

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: Sequence[str] | None = None
    include_stop: bool | None = None
    ignore_eos: bool | None = None

    def __post_init__(self) -> None:
        if isinstance(self.stop, str):
            object.__setattr__(self, "stop", (self.stop,))
        elif self.stop is not None:
            object.__setattr__(self, "stop", tuple(self.stop))
        for name, (holds, expected) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not holds(value):
                raise UsageError(f"{name} is {value!r}", hint=f"It must be {expected}")

    def over(self, base: Sampling) -> Sampling:
        """Return these options, with those not set here taken from `base`."""
        return replace(base, **self.chosen())

    def chosen(self) -> CallOptions:
        """Return the options that are set, by name."""
        pairs = ((field.name, getattr(self, field.name)) for field in fields(self))
        # The names are those of the fields.
        return {name: value for name, value in pairs if value is not None}  # type: ignore[return-value]

    def without(self, names: frozenset[str]) -> Sampling:
        """Return these options with `names` not set."""
        return replace(self, **dict.fromkeys(names))


class CallOptions(TypedDict, total=False):
    """The options of one call, as typed keywords: the fields of `Sampling`."""

    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    repeat_penalty: float | None
    presence_penalty: float | None
    frequency_penalty: float | None
    seed: int | None
    max_tokens: int | None
    stop: Sequence[str] | str | None
    include_stop: bool | None
    ignore_eos: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long each phase may take, in seconds; None is for ever.

    load         from `load()` to a usable model
    queue        from submitting a request to the engine taking it up
    first_token  silence before the first token; progress of the prompt counts as life
    idle         silence between tokens; progress counts as life
    total        from submitting a request to its end
    """

    load: float | None = None
    queue: float | None = None
    first_token: float | None = None
    idle: float | None = None
    total: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not _at_least(value, 0.0):
                raise UsageError(f"the deadline {field.name} is {value!r}", hint="Give seconds")

    def over(self, base: Deadlines) -> Deadlines:
        """Return these deadlines, with those not set here taken from `base`."""
        pairs = ((field.name, getattr(self, field.name)) for field in fields(self))
        return replace(base, **{name: value for name, value in pairs if value is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One generation, as an engine sees it.

    Either `messages` is set (for engines that take a conversation as it is) or `prompt` is.
    `sampling` is complete: call, model and engine defaults are merged, and an option the engine
    does not honour is not in it.
    """

    prompt: tuple[Segment, ...] = ()
    messages: tuple[Message, ...] = ()
    sampling: Sampling = Sampling()

    @property
    def text(self) -> str:
        """The prompt, or the contents of the messages, as plain text."""
        if self.messages:
            return "\n".join(message.content for message in self.messages)
        return "".join(segment.text for segment in self.prompt)


MAX_SEED = 2**32 - 2
"""The largest seed; engines take the number above it to ask for a random one."""

_CORE_OPTIONS = frozenset({"max_tokens", "stop", "include_stop"})
ENGINE_OPTIONS = frozenset(field.name for field in fields(Sampling)) - _CORE_OPTIONS
"""The options that only an engine can honour; the rest the stream layer sees to itself."""
