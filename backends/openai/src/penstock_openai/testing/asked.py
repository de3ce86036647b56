"""Asked: what an honest server reads out of the body of a request; it refuses what it cannot read.

Fields it does not know are passed over, as servers of this dialect do.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import TypeGuard

from penstock_openai.testing.replies import Json, error
from penstock_openai.testing.speech import text_of

__all__ = [
    "Wrong",
    "chance_in",
    "content_of",
    "ids_in",
    "list_in",
    "most_in",
    "object_of",
    "stops_in",
    "text_in",
    "texts_in",
]


class Wrong(Exception):
    """A request that is refused; `reply` tells the client why."""

    def __init__(self, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.reply = error(400, message, code, param=param)


def object_of(value: object) -> Json:
    """Return a JSON object."""
    if not isinstance(value, dict):
        raise Wrong("A JSON object was expected")
    return value


def list_in(body: Json, name: str) -> list[object]:
    """Return a list that must be there, with something in it."""
    value = body.get(name)
    if not isinstance(value, list) or not value:
        raise Wrong(f"'{name}' must be a list that is not empty", param=name)
    return value


def ids_in(body: Json, name: str) -> list[int]:
    """Return the ids of tokens; there may be none."""
    value = body.get(name)
    if not _are_ids(value):
        raise Wrong(f"'{name}' must be a list of the ids of tokens", param=name)
    return value


def text_in(body: Json, *names: str) -> str:
    """Return the text under the first of these names that is there."""
    for name in names:
        if isinstance(value := body.get(name), str):
            return value
    raise Wrong(f"A text is missing: {' or '.join(names)}", param=names[0])


def texts_in(body: Json, name: str) -> list[str]:
    """Return one text or many, each as it is or in tokens."""
    value = body.get(name)
    if isinstance(value, str) or (value and _are_ids(value)):
        value = [value]
    if not isinstance(value, list) or not value:
        raise Wrong(f"'{name}' must be a text, or a list of texts", param=name)
    return [_text_of(one, name) for one in value]


def content_of(message: Json) -> str:
    """Return the text of a message; what is not text in it says nothing."""
    match message.get("content"):
        case str(content):
            return content
        case list(parts):
            return "".join(str(_part(part).get("text", "")) for part in parts)
        case None:
            return ""
        case _:
            raise Wrong("The 'content' of a message must be a text or a list", param="messages")


def most_in(body: Json) -> list[int]:
    """Return the bounds on the tokens of the answer; often there is none."""
    found = []
    for name in ("max_tokens", "max_completion_tokens"):
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or value < 0:
            raise Wrong(f"'{name}' must be a whole number from 0", param=name)
        found.append(value)
    return found


def chance_in(body: Json) -> Random | None:
    """Return the chance by which it answers; None when it is greedy."""
    temperature, seed = body.get("temperature"), body.get("seed")
    if not isinstance(temperature, int | float | None) or (temperature or 0) < 0:
        raise Wrong("'temperature' must be a number from 0", param="temperature")
    if not isinstance(seed, int | None):
        raise Wrong("'seed' must be a whole number", param="seed")
    return Random(seed) if temperature else None  # noqa: S311  # nothing is secret in it


def stops_in(body: Json) -> list[str]:
    """Return the strings that end the answer."""
    value = body.get("stop")
    asked = value if isinstance(value, list) else [] if value is None else [value]
    stops = [stop for stop in asked if isinstance(stop, str) and stop]
    if len(stops) < len(asked):
        raise Wrong("'stop' must be a text, or a list of texts", param="stop")
    return stops


def _are_ids(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(one) is int and one > 0 for one in value)


def _text_of(value: object, name: str) -> str:
    if isinstance(value, str):
        return value
    if _are_ids(value):
        return text_of(value)
    raise Wrong(f"'{name}' must hold texts, or the ids of tokens", param=name)


def _part(part: object) -> Mapping[str, object]:
    return part if isinstance(part, dict) and part.get("type") == "text" else {}
