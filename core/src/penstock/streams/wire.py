"""Streams as text on a wire: Server-Sent Events and lines of JSON."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from penstock.events import Completion, Delta, Logprob
from penstock.request import Sampling
from penstock.streams.stream import Stage
from penstock.tools import as_tools

if TYPE_CHECKING:
    from penstock.streams.generation import Generation

__all__ = ["JsonLines", "ServerSentEvents", "completion_record"]


_BREAKS = {ord(char): f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"}
"""Line breaks to some readers of lines, though neither to JSON nor to event streams."""


class _Wire(Stage[Delta, str]):
    """Deltas, then the end of their generation, whichever it was."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation

    def feed(self, item: Delta) -> Iterable[str]:
        record: dict[str, Any] = {"text": item.text, "tokens": item.tokens}
        if item.logprobs:
            record["logprobs"] = [_logprob_record(logprob) for logprob in item.logprobs]
        if item.aside is not None:
            record |= {name: value for name, value in asdict(item.aside).items() if value}
        return (self._line(None, record),)

    def absorb(self, error: Exception) -> Iterable[str]:
        record = {"type": type(error).__name__, "message": str(error)}
        return (self._line("error", record),)

    def flush(self) -> Iterable[str]:
        if not self._generation.ended or self._generation.failed:
            return ()
        return (self._line("finish", completion_record(self._generation.completion)),)

    @abstractmethod
    def _line(self, event: str | None, record: Mapping[str, Any]) -> str: ...


class ServerSentEvents(_Wire):
    """Events as the HTML standard's section 9.2 frames them; JSON never holds a line break."""

    def _line(self, event: str | None, record: Mapping[str, Any]) -> str:
        head = "" if event is None else f"event: {event}\n"
        return f"{head}data: {_json(record)}\n\n"


class JsonLines(_Wire):
    """One object a line; the last holds `finish` or `error`."""

    def _line(self, event: str | None, record: Mapping[str, Any]) -> str:
        whole = record if event is None else {event: record}
        return _json(whole) + "\n"


def _json(record: Mapping[str, Any]) -> str:
    line = json.dumps(record, ensure_ascii=False)
    return line if line.isascii() else line.translate(_BREAKS)


def completion_record(completion: Completion, *, text: bool = False) -> dict[str, Any]:
    """Return a completion as plain data for JSON; what is not known is left out.

    JSON has no infinity: the bias of a token that is banned is null, and so is the log probability
    of one that is impossible; of the engine's details, such a figure is left out. The bytes of a
    token are numbers, beside its text.
    """
    record = asdict(replace(completion, effective=Sampling(), logprobs=(), parsed=None))
    record["effective"] = _options_record(completion.effective)
    record["logprobs"] = [_logprob_record(logprob) for logprob in completion.logprobs] or None
    record["details"] = {
        name: _finite(fact) if isinstance(fact, float) else fact
        for name, fact in completion.details.items()
    }
    if not text:
        del record["text"]
    beside = ("reasoning", "refusal", "tool_calls", "retries", "details")
    return {
        name: _plain(value)
        for name, value in record.items()
        if value is not None and (value or name not in beside)
    }


def _options_record(sampling: Sampling) -> dict[str, Any]:
    record: dict[str, Any] = {**sampling.chosen()}
    if sampling.logit_bias is not None:
        record["logit_bias"] = {
            str(token): _finite(bias) for token, bias in dict(sampling.logit_bias).items()
        }
    if sampling.tools is not None:
        record["tools"] = [asdict(tool) for tool in as_tools(sampling.tools)]
    return record


def _logprob_record(logprob: Logprob) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": logprob.id,
        "text": logprob.data.decode("utf-8", "replace"),
        "bytes": list(logprob.data),
        "logprob": _finite(logprob.logprob),
    }
    if logprob.top:
        record["top"] = [_logprob_record(alternative) for alternative in logprob.top]
    return record


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: inner for name, inner in value.items() if inner is not None}
    return value
