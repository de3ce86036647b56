"""What is asked of an engine: the prompt, how to sample, and how long it may take."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Literal, TypeAlias, TypedDict, get_args

from penstock.constraint import (
    Constraint,
    ConstraintKind,
    SchemaLike,
    TypedSchema,
    schema_text,
)
from penstock.errors import UsageError
from penstock.messages import Message, Segment
from penstock.tools import ToolLike, as_tools
from penstock.values import dataclass

__all__ = [
    "ENGINE_OPTIONS",
    "CallOptions",
    "Deadlines",
    "OtherOptions",
    "Policy",
    "Request",
    "Sampling",
    "assert_policy",
]

Biases: TypeAlias = Mapping[int, float] | Sequence[tuple[int, float]]
Policy: TypeAlias = Literal["error", "warn", "drop"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


def assert_policy(asked: Policy) -> None:
    """Raise `UsageError` for a policy that there is not."""
    if asked not in POLICIES:
        raise UsageError(f"unsupported={asked!r}", hint=f"It is one of {', '.join(POLICIES)}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _at_least(value: float, least: float) -> bool:
    return _is_number(value) and value >= least


def _is_count(value: object, least: int = 0, most: int = 2**31 - 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(_is_text(text) for text in value)


def _is_share(value: object) -> bool:
    return _is_number(value) and 0 <= value <= 1  # type: ignore[operator]


def _reaches(value: object) -> bool:
    return _is_count(value, least=-1)


def _are_biases(value: object) -> bool:
    return isinstance(value, tuple) and all(
        _is_count(token) and (_is_number(bias) or bias == -math.inf) for token, bias in value
    )


_RANGES: dict[str, tuple[Callable[..., bool], str]] = {
    "temperature": (lambda value: _at_least(value, 0.0), "0 (greedy) or more"),
    "top_k": (_is_count, "a whole number, 0 for all"),
    "top_p": (lambda value: _is_number(value) and 0 < value <= 1, "above 0 and at most 1"),
    "min_p": (_is_share, "from 0 to 1"),
    "typical_p": (lambda value: _is_number(value) and 0 < value <= 1, "above 0 and at most 1"),
    "top_n_sigma": (lambda value: _at_least(value, 0.0), "0 (off) or more"),
    "xtc_probability": (_is_share, "from 0 (off) to 1"),
    "xtc_threshold": (_is_share, "from 0 to 1; above 0.5 is off"),
    "dynatemp_range": (lambda value: _at_least(value, 0.0), "0 (off) or more"),
    "dynatemp_exponent": (lambda value: _at_least(value, 0.0), "0 or more"),
    "mirostat": (lambda value: _is_count(value, most=2), "0 (off), 1 or 2"),
    "mirostat_tau": (lambda value: _at_least(value, 0.0), "0 or more"),
    "mirostat_eta": (lambda value: _at_least(value, 0.0), "0 or more"),
    "repeat_penalty": (lambda value: _is_number(value) and value > 0, "above 0; 1 is off"),
    "presence_penalty": (_is_number, "a number; 0 is off"),
    "frequency_penalty": (_is_number, "a number; 0 is off"),
    "repeat_last_n": (_reaches, "a whole number of tokens, 0 for none, -1 for all"),
    "dry_multiplier": (lambda value: _at_least(value, 0.0), "0 (off) or more"),
    "dry_base": (lambda value: _at_least(value, 1.0), "1 or more"),
    "dry_allowed_length": (_is_count, "a whole number of tokens"),
    "dry_penalty_last_n": (_reaches, "a whole number of tokens, 0 for none, -1 for all"),
    "dry_sequence_breakers": (_are_texts, "strings that are not empty"),
    "logit_bias": (_are_biases, "a mapping from token ids to numbers, -inf to ban a token"),
    "logprobs": (_is_count, "a whole number of alternatives, 0 for none"),
    "seed": (lambda value: _is_count(value, most=2**32 - 2), "from 0 to 2**32 - 2"),
    "max_tokens": (lambda value: _is_count(value, least=1), "a whole number, 1 or more"),
    "stop": (_are_texts, "strings that are not empty"),
    "include_stop": (lambda value: isinstance(value, bool), "True or False"),
    "ignore_eos": (lambda value: isinstance(value, bool), "True or False"),
    "schema": (_is_text, "a type, a mapping, or the text of a JSON object"),
    "regex": (_is_text, "a regular expression that is not empty"),
    "choices": (
        lambda value: bool(value) and _are_texts(value),
        "a list of one or more strings, none of them empty",
    ),
    "grammar": (_is_text, "the text of a grammar, in Lark or GBNF"),
    "tools": (bool, "tools, at least one"),
    "tool_choice": (_is_text, "auto, none, required, or the name of a tool"),
}


CONSTRAINTS: dict[str, ConstraintKind] = {
    "schema": "json_schema",
    "regex": "regex",
    "choices": "choices",
    "grammar": "grammar",
}
"""The options that say what an answer must be, and the kind of constraint that each makes."""


def _strings(value: Iterable[str] | str) -> object:
    if isinstance(value, Mapping) or not isinstance(value, Iterable):  # refused as it is
        return value
    return (value,) if isinstance(value, str) else tuple(value)


def _biases(value: Biases) -> object:
    try:
        return tuple(sorted(dict(value).items()))
    except (TypeError, ValueError):
        return [value]  # refused with all that is out of range


_SETTLED: dict[str, Callable[..., object]] = {
    "stop": _strings,
    "dry_sequence_breakers": _strings,
    "logit_bias": _biases,
    "tools": as_tools,
}
"""How options come to be kept: so that nobody changes them, and a dataclass can be compared."""


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
    schema             the answer is JSON that is valid by this JSON schema (a mapping or its text),
                       or that makes a value of this type: a pydantic model, a dataclass, a
                       `TypedDict`, `list[int]` …; it is kept as the text of its JSON schema
    regex              the answer is matched by this expression as a whole
    choices            the answer is one of these strings
    grammar            the answer is a text of this grammar, in Lark (llguidance's) or GBNF

    One of the last four may be set; `completion.parsed` is then what was asked for. An answer that
    is cut before it is whole, by `max_tokens` or otherwise, is the error `IncompleteAnswer`. A stop
    string may end one that follows `regex` or `grammar`.

    tools              what the model may ask for, ending with `tool_calls`: `Tool`s, or mappings
                       with `name`, `description` and `parameters`
    tool_choice        auto, none, required, or the name of the tool it must call

    The rest is for those who know what it does; not every engine does:

    typical_p              keep the tokens nearest the expected surprise up to this share, in (0, 1]
    top_n_sigma            drop logits this many standard deviations below the greatest; 0 is off
    xtc_probability        how often to leave out the likeliest tokens, in [0, 1]; 0 is off
    xtc_threshold          namely those at least as likely as this, but for the last of them, in
                           [0, 1]; above 0.5 is off
    dynatemp_range         let the temperature go this far up and down with the entropy; 0 is off
    dynatemp_exponent      with the entropy, as a share of the greatest, to this power
    mirostat               1 or 2: hold the surprise steady, in place of all that cuts and of the
                           dynamic temperature; 0 is off
    mirostat_tau           the surprise it aims at, in bits
    mirostat_eta           how fast it learns, 0 or more
    repeat_last_n          how many of the last tokens the penalties look at, the prompt's among
                           them; 0 for none, -1 for all
    dry_multiplier         penalty for a token that would prolong a repetition; 0 is off
    dry_base               the penalty grows by this for each token more, 1 or more
    dry_allowed_length     repetitions up to this many tokens are free
    dry_penalty_last_n     how many of the last tokens to look for them in; 0 for none, -1 for all
    dry_sequence_breakers  strings that end a repetition
    logit_bias             add to the logits of tokens, by id; -inf bans one. A mapping, or pairs;
                           it is kept as pairs, in the order of the ids
    logprobs               tell the log probability of each token, and of so many alternatives

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
    typical_p: float | None = None
    top_n_sigma: float | None = None
    xtc_probability: float | None = None
    xtc_threshold: float | None = None
    dynatemp_range: float | None = None
    dynatemp_exponent: float | None = None
    mirostat: int | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    repeat_last_n: int | None = None
    dry_multiplier: float | None = None
    dry_base: float | None = None
    dry_allowed_length: int | None = None
    dry_penalty_last_n: int | None = None
    dry_sequence_breakers: Sequence[str] | None = None
    logit_bias: Biases | None = None
    logprobs: int | None = None
    schema: SchemaLike | None = None
    regex: str | None = None
    choices: Sequence[str] | None = None
    grammar: str | None = None
    tools: Sequence[ToolLike] | None = None
    tool_choice: str | None = None

    def __post_init__(self) -> None:
        self._normalise()
        for name, (holds, expected) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not holds(value):
                raise UsageError(f"{name} is {value!r}", hint=f"It must be {expected}")
        self._refuse_two_constraints()

    def _normalise(self) -> None:
        for name, settle in _SETTLED.items():
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, settle(value))
        if isinstance(self.choices, Sequence) and not isinstance(self.choices, str):
            object.__setattr__(self, "choices", tuple(self.choices))
        if self.schema is not None:
            object.__setattr__(self, "schema", schema_text(self.schema))

    def _refuse_two_constraints(self) -> None:
        names = [name for name in CONSTRAINTS if getattr(self, name) is not None]
        if len(names) > 1:
            raise UsageError(
                f"{' and '.join(names)} are both set", hint="An answer can follow one of them"
            )

    @property
    def constraint(self) -> Constraint | None:
        """What the answer must be: the one of `schema`, `regex`, `choices`, `grammar` set here."""
        for name, kind in CONSTRAINTS.items():
            if (value := getattr(self, name)) is not None:
                return Constraint(kind, value, checked=isinstance(value, TypedSchema))
        return None

    def over(self, base: Sampling) -> Sampling:
        """Return these options, with those not set here taken from `base`.

        A constraint set here takes the place of another kind of constraint in `base`.
        """
        if self.constraint is not None:
            base = base.without(frozenset(CONSTRAINTS))
        return replace(base, **self.chosen())

    def chosen(self) -> CallOptions:
        """Return the options that are set, by name."""
        pairs = ((name, getattr(self, name)) for name in _NAMES)
        # The names are those of the fields.
        return {name: value for name, value in pairs if value is not None}  # type: ignore[return-value]

    def without(self, names: frozenset[str]) -> Sampling:
        """Return these options with `names` not set."""
        return replace(self, **dict.fromkeys(names))


_NAMES = tuple(Sampling.__annotations__)


class OtherOptions(TypedDict, total=False):
    """The options of one call but for `schema`, which may say what comes out of the call."""

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
    typical_p: float | None
    top_n_sigma: float | None
    xtc_probability: float | None
    xtc_threshold: float | None
    dynatemp_range: float | None
    dynatemp_exponent: float | None
    mirostat: int | None
    mirostat_tau: float | None
    mirostat_eta: float | None
    repeat_last_n: int | None
    dry_multiplier: float | None
    dry_base: float | None
    dry_allowed_length: int | None
    dry_penalty_last_n: int | None
    dry_sequence_breakers: Sequence[str] | str | None
    logit_bias: Biases | None
    logprobs: int | None
    regex: str | None
    choices: Sequence[str] | None
    grammar: str | None
    tools: Sequence[ToolLike] | None
    tool_choice: str | None


class CallOptions(OtherOptions, total=False):
    """The options of one call, as typed keywords: the fields of `Sampling`."""

    schema: SchemaLike | None


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
        for name in Deadlines.__annotations__:
            value = getattr(self, name)
            if value is not None and not _at_least(value, 0.0):
                raise UsageError(f"the deadline {name} is {value!r}", hint="Give seconds")

    def over(self, base: Deadlines) -> Deadlines:
        """Return these deadlines, with those not set here taken from `base`."""
        pairs = ((name, getattr(self, name)) for name in Deadlines.__annotations__)
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
    sampling: Sampling = field(default_factory=Sampling)

    @property
    def text(self) -> str:
        """The prompt, or the contents of the messages, as plain text."""
        if self.messages:
            return "\n".join(message.content for message in self.messages)
        return "".join(segment.text for segment in self.prompt)


MAX_SEED = 2**32 - 2
"""The largest seed; engines take the number above it to ask for a random one."""

_CORE_OPTIONS = frozenset({"max_tokens", "stop", "include_stop"})
ENGINE_OPTIONS = frozenset(_NAMES) - _CORE_OPTIONS
"""The options that only an engine can honour; the rest the stream layer sees to itself."""
