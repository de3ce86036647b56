"""Listing: a configuration as TOML and as JSON, with the secrets masked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from penstock.config.auditing import Auditor
from penstock.config.config import Config
from penstock.config.exposure import is_secret
from penstock.config.masking import MASK, is_secretive, masked, written
from penstock.config.origins import Key, Origin, Setting, dotted
from penstock.secret import Secret

__all__ = ["as_toml", "as_tree", "json_value", "seen"]


def as_toml(config: Config, auditor: Auditor, *, origins: bool = False) -> Iterator[str]:
    """Yield the lines of all that is set, as TOML; with `origins`, each tells where it is from."""
    table: Key = ()
    for key, setting in _in_tables(config):
        if key[:-1] != table:
            table = key[:-1]
            yield ""
            yield f"[{dotted(table)}]"
        line = f"{dotted(key[-1:])} = {written(seen(key, setting, auditor))}"
        yield f"{line}  # {_comment(setting.origin)}" if origins else line


def as_tree(config: Config, auditor: Auditor, *, origins: bool = False) -> dict[str, Any]:
    """Return all that is set, as JSON has it; with `origins`, each value has its own beside it."""
    root: dict[str, Any] = {}
    for key, setting in _in_tables(config):
        table = root
        for name in key[:-1]:
            table = table.setdefault(name, {})
        value = json_value(seen(key, setting, auditor))
        table[key[-1]] = {"value": value, "origin": str(setting.origin)} if origins else value
    return root


def seen(key: Key, setting: Setting, auditor: Auditor) -> object:
    """Return the value that people may see: in place of a secret, one that prints as `***`."""
    value = setting.value
    option = key[:1] == ("models",) and key[2:3] == ("options",)
    if option and not isinstance(value, Mapping) and is_secret(key[1], key[3], auditor):
        return Secret(str(value))
    return value


def json_value(value: object) -> object:
    """Return a value as JSON has it, with what looks like a secret masked.

    Numbers that JSON does not have, `inf` and `nan`, are texts.
    """
    if isinstance(value, Mapping):
        return {
            str(name): MASK if is_secretive(str(name)) else json_value(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [json_value(inner) for inner in value]
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return masked(value) if isinstance(value, str) else value


def _comment(origin: Origin) -> str:
    """Return an origin as a comment may have it: of a variable or a file, any name is allowed."""
    return "".join(sign if sign.isprintable() else "?" for sign in str(origin))


def _in_tables(config: Config) -> list[tuple[Key, Setting]]:
    """Return the settings table by table, first those of none, as TOML wants it."""
    tables: dict[Key, list[tuple[Key, Setting]]] = {(): []}
    for key, setting in config.settings.items():
        tables.setdefault(key[:-1], []).append((key, setting))
    return [pair for table in tables.values() for pair in table]
