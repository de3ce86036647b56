"""Masking: values as people may see them, without what looks like a secret."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from penstock.config.origins import dotted, quoted
from penstock.config.references import Reference
from penstock.secret import Secret

__all__ = ["MASK", "brief", "holds_secret", "is_secretive", "masked", "written"]

MASK: Final = "***"
_LONG: Final = 60

_WORDS: Final = (  # `first_token` is a deadline, and tokens are what models write
    r"api_?key|auth(?!ors?\b)|cookie|credential|passw|passphrase|secret|(?<!first_)token(?!s|_|i)"
)
_SECRETIVE: Final = re.compile(rf"{_WORDS}|(?:^|_)key(?:$|_)", re.IGNORECASE)
_PAIR: Final = re.compile(
    rf"((?<![\w-])[\w-]*(?:{_WORDS}|-key\b)[\w-]*\s*[:=]\s*).+", re.IGNORECASE | re.DOTALL
)
_USER: Final = re.compile(r"(\w://)[^/@\s]+@")
_PARAMETER: Final = re.compile(r"((?:^|[?&])(?:key|sig|[\w-]+-signature)=).+", re.IGNORECASE)
"""A parameter of a URL, by itself or in one; elsewhere, `key` may be any word."""
_BEARER: Final = re.compile(r"((?:^|:)\s*bearer\s+)\S.*", re.IGNORECASE)


def is_secretive(name: str) -> bool:
    """Whether an option of this name is likely to hold a secret; a guess, for unknown ones."""
    return _SECRETIVE.search(name) is not None


def masked(text: str) -> str:
    """Return a text without the passwords in URLs, and the values behind names of secrets."""
    text = _USER.sub(rf"\1{MASK}@", text)
    for secret in (_PAIR, _PARAMETER, _BEARER):
        text = secret.sub(rf"\1{MASK}", text)
    return text


def holds_secret(value: object) -> bool:
    """Whether a text, or one of several, has a part that is masked."""
    if isinstance(value, list | tuple):
        return any(map(holds_secret, value))
    return isinstance(value, str) and masked(value) != value


def written(value: object) -> str:
    """Return a value as TOML writes it, on one line, with what looks like a secret masked."""
    if isinstance(value, Secret):
        return quoted(MASK)
    if isinstance(value, str):
        return quoted(masked(value))
    if isinstance(value, Mapping):
        return _table(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return f"[{', '.join(map(written, value))}]"
    return _scalar(value)


def brief(value: object) -> str:
    """Return a value for a message: as `written`, but of tables and long texts only a part."""
    if isinstance(value, Mapping):
        reference = Reference.seen(value)
        return "{…}" if reference is None else str(reference)
    text = written(value)
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value) if isinstance(value, int | float) else quoted(str(value))


def _inner(name: str, value: object) -> str:
    return quoted(MASK) if is_secretive(name) else written(value)


def _table(table: Mapping[str, object]) -> str:
    reference = Reference.seen(table)
    if reference is not None:
        return str(reference)
    pairs = (f"{dotted([str(name)])} = {_inner(str(name), value)}" for name, value in table.items())
    return f"{{ {', '.join(pairs)} }}" if table else "{}"
