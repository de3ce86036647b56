"""Flavors: what kinds of server there are, and what each understands beyond the standard.

The names are those of the servers' own documentation, read in autumn 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

__all__ = ["FLAVORS", "Flavor", "Knob", "TokenPaths"]

Knob: TypeAlias = Literal["cache_prompt", "id_slot", "return_progress", "chat_template_kwargs"]
"""Options of `LoadOptions` that only some servers know."""

Limit: TypeAlias = Literal["max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, slots=True)
class TokenPaths:
    """Where a server tokenizes: paths below its root, and the names of the fields."""

    tokenize: str
    detokenize: str
    ask: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """A kind of server.

    name         by which users choose it
    renamed      options of `Sampling` it honours, and what it calls them
    guides       constraints it honours, and how they are asked for
    limit        what it calls `max_tokens`
    unlimited    what it wants for `max_tokens` in a raw completion that is to be as long as the
                 context allows; "silence" is: nothing
    biases       whether it honours `logit_bias`
    banned       the bias by which a token is banned
    tokens       how it tokenizes, if it does
    knobs        options of the backend that it knows
    thinks       whether it knows `reasoning_effort`
    seeds        whether a seed is sent though none was asked for, so that it can be told
    strict       whether schemas can be said to be strict
    """

    name: str
    renamed: Mapping[str, str]
    guides: Mapping[str, str] = field(default_factory=lambda: {"schema": "response_format"})
    limit: Limit = "max_tokens"
    unlimited: int | Literal["silence"] | None = "silence"
    biases: bool = True
    banned: float | bool = -100.0
    tokens: TokenPaths | None = None
    knobs: frozenset[Knob] = frozenset()
    thinks: bool = False
    strict: bool = False
    seeds: bool = False

    @property
    def options(self) -> frozenset[str]:
        """The options of `Sampling` it honours."""
        beside = {"logprobs", "tools", "tool_choice"} | ({"logit_bias"} if self.biases else set())
        return frozenset({*self.renamed, *self.guides, *beside})


def _same(*names: str, **others: str) -> dict[str, str]:
    return {**{name: name for name in names}, **others}


_COMMON: Final = _same("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed")
_MORE: Final = _COMMON | _same("top_k", "min_p")
_OURS: Final = _MORE | _same("ignore_eos", repeat_penalty="repetition_penalty")
_GUIDED: Final = {
    "schema": "response_format",
    "regex": "structured_outputs",
    "choices": "structured_outputs",
    "grammar": "structured_outputs",
}
_LLAMA: Final = _MORE | _same(
    "ignore_eos", "repeat_penalty", "typical_p", "top_n_sigma", "xtc_probability", "xtc_threshold",
    "dynatemp_range", "dynatemp_exponent", "mirostat", "mirostat_tau", "mirostat_eta",
    "repeat_last_n", "dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n",
    "dry_sequence_breakers",
)  # fmt: skip
_GBNF: Final = {"schema": "json_schema", "choices": "gbnf", "grammar": "gbnf"}

FLAVORS: Final[Mapping[str, Flavor]] = {
    flavor.name: flavor
    for flavor in (
        Flavor(name="standard", renamed=_COMMON),
        Flavor(
            name="openai",
            renamed=_COMMON,
            limit="max_completion_tokens",
            thinks=True,
            strict=True,
        ),
        Flavor(
            name="vllm",
            seeds=True,
            renamed=_OURS,
            guides=_GUIDED,
            unlimited=None,
            tokens=TokenPaths("/tokenize", "/detokenize", "prompt", "prompt"),
            knobs=frozenset({"chat_template_kwargs"}),
            thinks=True,
        ),
        Flavor(
            name="sglang",
            seeds=True,
            renamed=_OURS,
            guides={
                "schema": "response_format",
                "regex": "regex",
                "choices": "regex",
                "grammar": "ebnf",
            },
            knobs=frozenset({"chat_template_kwargs"}),
            thinks=True,
        ),
        Flavor(
            name="llama-server",
            seeds=True,
            renamed=_LLAMA,
            guides=_GBNF,
            unlimited=-1,
            banned=False,
            tokens=TokenPaths("/tokenize", "/detokenize", "content", "content"),
            knobs=frozenset({"cache_prompt", "id_slot", "return_progress", "chat_template_kwargs"}),
        ),
        Flavor(
            name="llama-cpp-python",
            seeds=True,
            renamed=_MORE
            | _same("repeat_penalty", "mirostat_tau", "mirostat_eta", mirostat="mirostat_mode"),
            guides={"schema": "json_object", "choices": "gbnf", "grammar": "gbnf"},
            unlimited=0,
            tokens=TokenPaths("/extras/tokenize", "/extras/detokenize", "input", "text"),
        ),
        Flavor(name="ollama", renamed=_COMMON, biases=False, unlimited=-1, thinks=True),
        Flavor(name="lmstudio", renamed=_MORE | _same("repeat_penalty")),
        Flavor(name="tgi", renamed=_COMMON, biases=False),
        Flavor(
            name="openrouter",
            renamed=_MORE | _same(repeat_penalty="repetition_penalty"),
            thinks=True,
        ),
        Flavor(name="litellm", renamed=_COMMON, thinks=True),
    )
}
"""The kinds of server, by name; `standard` is what is taken where nothing is known."""
