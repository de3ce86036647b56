"""JSON as servers send it: fast where it is right, and with patience where it is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import jiter

__all__ = ["Object", "beginning", "objects_in", "parsed"]

Object: TypeAlias = Mapping[str, Any]

_SHOWN: Final = 120
"""Bytes of an answer that an error shows."""


def objects_in(data: bytes) -> list[Object] | None:
    """Return the objects in the data of an event: one, unless blank lines were left out.

    None is: this is no JSON. What is JSON but no object, as a few servers send to keep a connection
    awake, says nothing.
    """
    try:
        found = jiter.from_json(data, cache_mode="keys")
    except ValueError:
        return _with_patience(data)
    return [found] if isinstance(found, dict) else []


def parsed(data: bytes) -> Any:
    """Return what this JSON says, with U+FFFD for bytes that are no UTF-8; None: it is none."""
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def beginning(data: bytes) -> str:
    """Return as much of an answer as fits into an error."""
    return data[:_SHOWN].decode("utf-8", "replace")


def _with_patience(data: bytes) -> list[Object] | None:
    """Read what the fast reader refuses: bad UTF-8, half surrogates, lines run together."""
    found = parsed(data)
    if found is not None:
        return [found] if isinstance(found, dict) else []
    objects = [parsed(line) for line in data.splitlines()]
    if len(objects) < 2 or not all(isinstance(one, dict) for one in objects):
        return None
    return objects
