"""Origins: every value of the configuration knows where it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeAlias

from penstock.values import dataclass

__all__ = ["Key", "Origin", "Setting", "dotted", "quoted"]

Key: TypeAlias = tuple[str, ...]
"""The way to a value, such as `("models", "local", "options", "n_ctx")`."""

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written.

    where  a file as people name it, a variable, a flag or an argument
    line   the line of a file, from 1
    file   the file, where it is one: what is relative in it is so to its folder
    found  whether that file was found by itself, and named by nobody
    """

    where: str
    line: int | None = None
    file: Path | None = None
    found: bool = False

    def __str__(self) -> str:
        return self.where if self.line is None else f"{self.where}:{self.line}"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value with its origin.

    key   dotted, as it was written there: a backend's options may stand in two places
    text  what a variable or a flag says, before it was read as a value
    """

    value: object
    origin: Origin
    key: str
    text: str | None = None


def quoted(text: str) -> str:
    """Return a text as TOML writes it, on one line."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def dotted(key: Iterable[str | int]) -> str:
    """Return a key as TOML writes it, the place in an array in brackets."""
    parts: list[str] = []
    for name in key:
        if isinstance(name, int):
            parts.append(f"[{name}]")
        else:
            bare = _BARE.fullmatch(name) is not None
            parts.append("." * bool(parts) + (name if bare else quoted(name)))
    return "".join(parts)
