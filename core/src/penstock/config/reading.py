"""Reading: from a file, or a mapping, to a layer in which each value knows its line."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from penstock.config.layers import Layer, layer_of
from penstock.config.origins import Key, Origin
from penstock.config.positions import Position, lines_of
from penstock.problem import Problem

__all__ = ["PYPROJECT", "has_section", "layer_of_file", "layer_of_mapping", "shown"]

PYPROJECT: Final[Key] = ("tool", "penstock")
"""Where a pyproject.toml has the configuration."""

_SECTION: Final = re.compile(
    rb"""tool["']?\s*\.\s*["']?penstock|^[ \t]*(?:\[\s*["']?tool["']?\s*\]|["']?tool["']?\s*=)""",
    re.MULTILINE,
)
_BARE: Final = re.compile(r"=\s*[^\W\d]")
"""A value that begins with a letter, and so is true, false, inf, nan or wrong."""
_AT: Final = re.compile(r" ?\(at (?:line (\d+), column \d+|end of document)\)$")


def layer_of_file(path: Path, within: Key = (), *, found: bool = False) -> Layer:
    """Return what a file says, or the table `within` of it; a problem if it cannot be read.

    found  whether nobody named the file
    """
    where = shown(path)
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return _failed(where, line, "is no text in UTF-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return _failed(where, None, f"cannot be read: {reason}")
    try:
        data, lines = tomllib.loads(text), lines_of(text)
    except (ValueError, RecursionError) as error:
        return _syntax(where, text, error)
    for name in within:
        inner = data.get(name, {})
        if not isinstance(inner, dict):
            return _failed(where, _line(lines, within), f"{'.'.join(within)} must be a table")
        data = inner

    def place(key: Key) -> Origin:
        return Origin(where, _line(lines, (*within, *key)), path.absolute(), found)

    return layer_of(data, place)


def layer_of_mapping(data: Mapping[str, Any], where: str) -> Layer:
    """Return what a mapping of a program says."""
    return layer_of(data, lambda _: Origin(where))


def has_section(path: Path) -> bool:
    """Whether a pyproject.toml speaks of Penstock.

    One that cannot be read or parsed, and does not seem to, is other tools' business.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return False
    if _SECTION.search(content) is None:
        return False
    try:
        data = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return b"penstock" in content
    tool = data.get("tool")
    return isinstance(tool, dict) and "penstock" in tool


def shown(path: Path) -> str:
    """Return a path as people name it: from the working directory, if it is in there."""
    try:
        here = os.path.relpath(path)
    except (OSError, ValueError):  # there is none, or it is on another drive
        return str(path)
    return str(path) if here.startswith(os.pardir) else here


def _line(lines: Mapping[Position, int], key: Position) -> int | None:
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key)


def _syntax(where: str, text: str, error: Exception) -> Layer:
    if isinstance(error, RecursionError):
        return _failed(where, None, "is nested too deeply")
    match = _AT.search(str(error))
    if match is None:
        return _failed(where, None, f"is no TOML: {error}")
    line = int(match[1]) if match[1] else text.count("\n") + 1
    bare = match[1] and _BARE.search(text.split("\n")[line - 1])
    hint = "a text is written in quotes" if bare else ""
    return _failed(where, line, f"is no TOML: {_AT.sub('', str(error))}", hint)


def _failed(where: str, line: int | None, what: str, hint: str = "") -> Layer:
    return Layer(problems=(Problem(where=where, line=line, what=what, hint=hint),))
