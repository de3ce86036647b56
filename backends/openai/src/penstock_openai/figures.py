"""Figures in a server's answer: usage wherever it is, and the server's own timings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from penstock.events import Usage

__all__ = ["count_of", "details_of", "usage_of"]

_NOT_DETAILS: Final = frozenset(
    {"choices", "created", "object", "usage", "obfuscation", "error", "prompt_progress", "logprobs"}
)
_MOST_DETAILS: Final = 64
_LONGEST: Final = 256
_MOST: Final = 2**53
"""Beyond that, a number of tokens is none, and a float could not hold it."""


def details_of(chunk: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Return what an object tells beside the answer, by name: ids, timings, `x_…`.

    What is nested has dots in its name. Texts beyond 256 characters and lists are left out.
    """
    found: dict[str, str | int | float | bool] = {}
    for name, value in chunk.items():
        if name not in _NOT_DETAILS:
            for path, leaf in _leaves(name, value, depth=3):
                if len(found) < _MOST_DETAILS:
                    found[path] = leaf
    return found


def usage_of(told: object) -> Usage | None:
    """Return a usage out of an object that is one, or that holds llama-server's or Groq's."""
    if not isinstance(told, dict):
        return None
    if "completion_tokens" in told or "prompt_tokens" in told:
        return _usage(told)
    if isinstance(timings := told.get("timings"), dict) and "predicted_n" in timings:
        return _of_timings(timings)
    groq = told.get("x_groq")
    return usage_of(groq.get("usage")) if isinstance(groq, dict) else None


def _usage(told: Mapping[str, Any]) -> Usage:
    prompt = _mapping(told.get("prompt_tokens_details"))
    completion = _mapping(told.get("completion_tokens_details"))
    cached = prompt.get("cached_tokens") or told.get("prompt_cache_hit_tokens")
    return Usage(
        prompt_tokens=count_of(told.get("prompt_tokens")),
        completion_tokens=count_of(told.get("completion_tokens")),
        cached_tokens=count_of(cached),
        reasoning_tokens=count_of(completion.get("reasoning_tokens")),
        source="reported",
    )


def _of_timings(timings: Mapping[str, Any]) -> Usage:
    """Read llama-server's timings, in which `prompt_n` leaves out what was cached."""
    cached = count_of(timings.get("cache_n"))
    return Usage(
        prompt_tokens=count_of(timings.get("prompt_n")) + cached,
        completion_tokens=count_of(timings.get("predicted_n")),
        cached_tokens=cached,
        source="reported",
    )


def _leaves(
    path: str, value: object, *, depth: int
) -> Iterator[tuple[str, str | int | float | bool]]:
    if isinstance(value, str | int | float):
        if not isinstance(value, str) or len(value) <= _LONGEST:
            yield path, value
    elif isinstance(value, dict) and depth:
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}", inner, depth=depth - 1)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def count_of(value: object) -> int:
    """Return a number of tokens, 0 for what is none."""
    return value if isinstance(value, int) and 0 < value <= _MOST else 0
