"""A server's answer: from the objects of a stream, or one whole object, to events.

Nothing in an object is relied on: servers leave fields out, set them to null, or use other ones.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from penstock.events import (
    Aside,
    Delta,
    EngineEvent,
    Finish,
    FinishReason,
    Logprob,
    Prefill,
    Report,
    Usage,
)
from penstock.tools import ToolCallPart

from penstock_openai.figures import count_of, details_of, usage_of

__all__ = ["Answer"]

_REASONS: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "error": "error",
    "abort": "error",
    "cancelled": "error",
}
_SPOKEN: Final = frozenset({"content", "role"})
"""Fields of a delta beside which there is nothing but its text."""

_PLAIN: Final = frozenset(
    {"choices", "created", "id", "model", "object", "obfuscation", "provider", "service_tier"}
    | {"system_fingerprint", "usage"}
)
"""Fields of an object that say nothing new after the first one; usage is looked at by itself."""


class Answer:
    """Fed with the objects of one answer, gives the events they mean.

    reason  why the answer ended, in our words; None: it has not said
    raw     the same in the server's
    begun   whether any object had a choice in it
    refused whether the model said that it will not answer
    tokens  how many were generated so far, as far as that is known
    """

    __slots__ = (
        "_calls",
        "_details",
        "_known",
        "begun",
        "raw",
        "reason",
        "refused",
        "tokens",
        "usage",
    )

    def __init__(self, details: Mapping[str, str | int | float | bool]) -> None:
        self.reason: FinishReason | None = None
        self.raw = ""
        self.begun = False
        self.refused = False
        self.tokens = 0
        self.usage: Usage | None = None
        self._known = False
        self._calls = False
        self._details = dict(details)

    def take(self, chunk: Mapping[str, Any], at: float, out: list[EngineEvent]) -> None:
        """Take one object that arrived `at`; append to `out` what it means."""
        if not self._known or not chunk.keys() <= _PLAIN:
            self._learn(chunk, out)
        usage = chunk.get("usage")
        count = self._counted(usage, out) if usage else 0
        choices = chunk.get("choices")
        if not choices or not isinstance(choices, list):
            return
        choice = choices[0]
        if not isinstance(choice, dict):
            return
        self.begun = True
        said = choice.get("delta") or choice.get("message") or choice
        if not isinstance(said, dict):
            said = {}
        text = said.get("content")
        if type(text) is str and text and said.keys() <= _SPOKEN and not choice.get("logprobs"):
            self.tokens += count or 1
            out.append(Delta(text, count or 1, (), at))
        else:
            self._say(choice, said, count, at, out)
        reason = choice.get("finish_reason")
        if reason:
            self._end(str(reason))

    def finish(self) -> Iterator[EngineEvent]:
        """Return the end, and what is known of the whole."""
        if self._details:
            yield Report(self._details)
        yield Finish(self.reason or "stop", self.usage)

    def _learn(self, chunk: Mapping[str, Any], out: list[EngineEvent]) -> None:
        found = details_of(chunk)
        self._details.update(found)
        if not self._known:  # told at once, for an answer that is left
            self._known = True
            out.append(Report(dict(self._details)))
        progress = chunk.get("prompt_progress")
        if isinstance(progress, dict):
            out.append(
                Prefill(
                    count_of(progress.get("processed")),
                    count_of(progress.get("total")),
                    count_of(progress.get("cache")),
                )
            )
        self._counted(chunk, out)

    def _counted(self, usage: object, out: list[EngineEvent]) -> int:
        """Keep a usage that was told; return how many tokens came since the one before."""
        found = usage_of(usage)
        if found is None:
            return 0
        self.usage = found
        out.append(found)
        return max(0, found.completion_tokens - self.tokens)

    def _say(
        self,
        choice: Mapping[str, Any],
        said: Mapping[str, Any],
        count: int,
        at: float,
        out: list[EngineEvent],
    ) -> None:
        text, reasoning = _texts(said)
        parts = self._parts(said)
        aside = Aside(reasoning, _text(said.get("refusal")), parts)
        logprobs = _logprobs(choice.get("logprobs"))
        if not (text or logprobs or aside != _NOTHING):
            return
        self.refused = self.refused or bool(aside.refusal)
        tokens = count or len(logprobs) or 1
        self.tokens += tokens
        beside = None if aside == _NOTHING else aside
        out.append(Delta(text, tokens, (), at, logprobs, beside))

    def _parts(self, said: Mapping[str, Any]) -> tuple[ToolCallPart, ...]:
        calls = said.get("tool_calls")
        if not calls and isinstance(old := said.get("function_call"), dict):
            calls = [{"index": 0, "function": old}]
        if not isinstance(calls, list):
            return ()
        parts = tuple(_part(call, at) for at, call in enumerate(calls) if isinstance(call, dict))
        self._calls = self._calls or bool(parts)
        return parts

    def _end(self, reason: str) -> None:
        self.raw = reason
        known = _REASONS.get(reason.lower())
        if known is None:
            self._details["finish_reason"] = reason
        if known in {None, "stop"} and self._calls:  # several servers say stop for calls too
            known = "tool_calls"
        self.reason = known or "stop"


_NOTHING: Final = Aside()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(said: Mapping[str, Any]) -> tuple[str, str]:
    """Return text and reasoning; a few servers give both as lists of parts."""
    content = said.get("content")
    reasoning = _text(said.get("reasoning_content")) or _text(said.get("reasoning"))
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        thought = "".join(_thought(part) for part in parts if part.get("type") == "thinking")
        return "".join(_text(part.get("text")) for part in parts), reasoning + thought
    return _text(content) or _text(said.get("text")), reasoning


def _thought(part: Mapping[str, Any]) -> str:
    inner = part.get("thinking")
    if isinstance(inner, list):
        return "".join(_text(piece.get("text")) for piece in inner if isinstance(piece, dict))
    return _text(inner)


def _part(call: Mapping[str, Any], position: int) -> ToolCallPart:
    function = call.get("function")
    inner: Mapping[str, Any] = function if isinstance(function, dict) else {}
    index, arguments = call.get("index"), inner.get("arguments")
    return ToolCallPart(
        index if isinstance(index, int) else position,
        _text(call.get("id")),
        _text(inner.get("name")),
        # some give the arguments as an object, though their text was promised
        arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else "",
    )


def _logprobs(told: object) -> tuple[Logprob, ...]:
    if not isinstance(told, dict):
        return ()
    content = told.get("content")
    if isinstance(content, list):
        return tuple(_logprob(one) for one in content if isinstance(one, dict))
    return _older_logprobs(told)


def _logprob(one: Mapping[str, Any]) -> Logprob:
    number = one.get("id")
    top = _list(one.get("top_logprobs"))
    return Logprob(
        number if isinstance(number, int) else -1,
        _bytes(one.get("bytes"), one.get("token")),
        _probability(one.get("logprob")),
        tuple(_logprob(other) for other in top if isinstance(other, dict)),
    )


def _older_logprobs(told: Mapping[str, Any]) -> tuple[Logprob, ...]:
    """Read the form of raw completions: lists side by side."""
    tokens, values = _list(told.get("tokens")), _list(told.get("token_logprobs"))
    tops = _list(told.get("top_logprobs"))
    found = []
    for at, (token, value) in enumerate(zip(tokens, values, strict=False)):
        top = tops[at] if at < len(tops) and isinstance(tops[at], dict) else {}
        others = tuple(_bare(text, number) for text, number in top.items())
        found.append(Logprob(-1, _bytes(None, token), _probability(value), others))
    return tuple(found)


def _bare(token: str, value: object) -> Logprob:
    return Logprob(-1, _bytes(None, token), _probability(value))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _bytes(data: object, token: object) -> bytes:
    """Return the bytes of a token as they are told, or else those of its text."""
    try:
        if isinstance(data, list):
            return bytes(data)
    except (TypeError, ValueError):  # not of bytes
        pass
    return _text(token).encode("utf-8", "replace")


def _probability(value: object) -> float:
    try:
        return min(0.0, float(value)) if isinstance(value, int | float) else 0.0
    except OverflowError:  # of a whole number beyond all floats
        return -math.inf
